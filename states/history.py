"""`History`: a parsed journal. Tables, drawings and assertions are built from a `History`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from states.conditions import Condition, Conditions
from states.ends import End, ends_as_data, ends_from_data
from states.journal import MOST_S, JournalError, read_records
from states.machine import Lifecycle
from states.outcomes import EndReason, Outcome, Reason
from states.phases import Phase
from states.recorded import (
    RecordReader,
    Step,
    Turn,
    described,
    step_from,
    transition_from,
    whole_number,
)
from states.table import BUDGETS, State
from states.transition import Transition

#: Maximum length of a kind or a number of a record in an error, in characters.
_LONGEST_WORD = 40
#: Errors that can arise from an invalid record. RecursionError arises from a deeply nested value.
_WRONG = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, kw_only=True)
class History:
    """One job, as recorded in its journal."""

    header: Mapping[str, Any] = field(default_factory=dict)
    #: Only the transitions that changed the state. The first transition is the entry into
    #: HANDSHAKE.
    transitions: tuple[Transition, ...] = ()
    #: The internal transitions: events that did not change the state.
    internals: tuple[Transition, ...] = ()
    #: Every reported condition, in order. `conditions` has only the last condition of each
    #: resource.
    condition_changes: tuple[Condition, ...] = ()
    steps: tuple[Step, ...] = ()
    turns: tuple[Turn, ...] = ()
    #: The records of the kind `dialogue`, in order, with the fields in docs/reference/journal.md.
    dialogue: tuple[Mapping[str, Any], ...] = ()
    faults: tuple[Mapping[str, Any], ...] = ()
    #: True if the job's process is known to have exited. If the process died together with its
    #: worker, its exit code and signal are unknown: `exit_code` and `signal` may both be None.
    exited: bool = False
    exit_code: int | None = None
    signal: int | None = None
    #: Length in bytes of an incomplete last line of the journal. The line was ignored.
    torn_bytes: int = 0

    @classmethod
    def read(cls, path: Path | str) -> History:
        """Read a journal file, even while a job writes to it.

        Raises JournalError if the file cannot be read or a record is invalid.
        """
        found = read_records(Path(path))
        return cls.from_records(found.records, torn_bytes=found.torn_bytes)

    @classmethod
    def of(cls, lifecycle: Lifecycle) -> History:
        """Return the history of a running lifecycle up to now, from the records of its journal.

        Raises JournalError if the journal keeps no records in memory, or if a record is invalid.
        """
        records = getattr(lifecycle.journal, "records", None)
        if records is None:
            raise JournalError("this lifecycle's journal keeps no records in memory")
        return cls.from_records(records)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]], *, torn_bytes: int = 0) -> History:
        """Build a history from journal records, in any order and with or without duplicates.

        Raises JournalError if a record is invalid.
        """
        reader = RecordReader()
        try:
            by_seq = {record["seq"]: record for record in records}
            numbers = sorted(by_seq)
        except KeyError as error:
            raise JournalError("a record has no seq") from error
        except TypeError as error:
            raise JournalError("a record is no object, or its seq is no number") from error
        for seq in numbers:
            record = by_seq[seq]
            try:
                reader.read(record)
            except _WRONG as error:
                place = f"record {repr(seq)[:_LONGEST_WORD]} ({_word(record)})"
                raise JournalError(f"{place}: {described(error)}") from error
        return cls(
            header=reader.header,
            transitions=tuple(reader.transitions),
            internals=tuple(reader.internals),
            condition_changes=tuple(reader.conditions),
            steps=tuple(reader.steps),
            turns=tuple(reader.turns),
            dialogue=tuple(reader.dialogue),
            faults=tuple(reader.faults),
            exited=reader.exited,
            exit_code=reader.exit_code,
            signal=reader.signal,
            torn_bytes=torn_bytes,
        )

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> History:
        """Parse the output of `interview-worker jobs show --json`.

        Raises JournalError if `text` is not such an output.
        """
        try:
            job = json.loads(text) if isinstance(text, str) else text
            return cls(
                header={
                    **{key: job.get(key) for key in ("job_id", "interview_id", "room", "pid")},
                    **({"ends": job["ends"]} if "ends" in job else {}),
                },
                transitions=tuple(transition_from(entry) for entry in job["transitions"]),
                condition_changes=tuple(Condition.from_record(c) for c in job["conditions"]),
                steps=tuple(step_from(entry) for entry in job["steps"]),
                exited=bool(job.get("exited")),
                exit_code=whole_number(job.get("exit_code")),
                signal=whole_number(job.get("signal")),
            )
        except _WRONG as error:
            raise JournalError(f"this is not the JSON of a job: {described(error)}") from error

    def as_json(self) -> dict[str, Any]:
        """Return the data that `interview-worker jobs show --json` prints.

        `from_json` reads the same format.
        """
        return {
            **{key: self.header.get(key) for key in ("job_id", "interview_id", "room", "pid")},
            **({"ends": ends_as_data(self.ends)} if self.ends else {}),
            "state": self.state,
            "outcome": self.outcome,
            "reason": self.reason,
            "exited": self.exited,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "transitions": [
                {
                    "from": x.source,
                    "event": x.event,
                    "to": x.target,
                    "t": round(x.t, 6),
                    "outcome": x.outcome,
                    "reason": x.reason,
                }
                for x in self.transitions
            ],
            "steps": [
                {
                    "name": s.name,
                    "ok": s.ok,
                    "reason": s.reason,
                    "t": round(s.t, 6),
                    "elapsed_ms": s.elapsed_ms,
                    "attempts": s.attempts,
                    "needs": s.needs,
                    "budget_s": s.budget_s,
                }
                for s in self.steps
            ],
            "conditions": [condition.as_record() for condition in self.conditions],
        }

    @property
    def ends(self) -> dict[str, End]:
        """The ends that the job's application declares, by name."""
        return ends_from_data(self.header.get("ends"))

    @property
    def budgets(self) -> dict[State, float]:
        """The time budgets of the states, in seconds, from the job's header or else the table.

        A budget of the header that is no number of seconds is ignored.
        """
        own: Any = self.header.get("budgets")
        known = dict(BUDGETS)
        for state in known if isinstance(own, Mapping) else ():
            budget_s = own.get(state.value)
            if isinstance(budget_s, int | float) and 0 < budget_s < MOST_S:
                known[state] = float(budget_s)
        return known

    @property
    def state(self) -> State | None:
        """The last state in the journal; None if the journal has no transition."""
        return self.transitions[-1].target if self.transitions else None

    @property
    def path(self) -> tuple[State, ...]:
        """The states that the job entered, in order."""
        return tuple(transition.target for transition in self.transitions)

    @property
    def conditions(self) -> Conditions:
        """The last condition of each resource."""
        return Conditions.of(self.condition_changes)

    @property
    def broke_off(self) -> bool:
        """True if the process ended before the job was CLOSED."""
        gone = self.exited or self.exit_code is not None or self.signal is not None
        return gone and self.entered(Phase.OVER) is None

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the job; None before the job enters CLOSING.

        The outcome is FAILED if the process ended before CLOSED, even if the job had entered
        CLOSING with another outcome.
        """
        if self.broke_off:
            return Outcome.FAILED
        return next((x.outcome for x in reversed(self.transitions) if x.outcome), None)

    @property
    def reason(self) -> EndReason | None:
        """The reason for the job's end; None before the job enters CLOSING.

        If the process ended before CLOSED, the reason is PROCESS_KILLED after a signal, and
        otherwise PROCESS_EXITED.
        """
        if self.broke_off:
            return Reason.PROCESS_EXITED if self.signal is None else Reason.PROCESS_KILLED
        return next((x.reason for x in reversed(self.transitions) if x.reason), None)

    def entered(self, place: State | Phase) -> float | None:
        """Return the time of the first entry into a state or a phase; None if there was no entry.

        The time is in seconds since the job was received.
        """
        return next((x.t for x in self.transitions if x.enters(place)), None)

    def stays(self) -> tuple[tuple[State, float, float | None], ...]:
        """Return one tuple per visit: the state, the time of entry, and the seconds in the state.

        The seconds are None for the last visit.
        """
        entries = self.transitions
        ends = [later.t for later in entries[1:]]
        visits = [(x.target, x.t, end - x.t) for x, end in zip(entries, ends, strict=False)]
        return (*visits, (entries[-1].target, entries[-1].t, None)) if entries else ()


def _word(record: Mapping[str, Any]) -> str:
    """Return the kind of a record as text for an error message."""
    kind = record.get("kind")
    if not isinstance(kind, str):
        return type(kind).__name__
    return ascii(kind[:_LONGEST_WORD])[1:-1][:_LONGEST_WORD]
