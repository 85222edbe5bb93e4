"""`History`: a parsed journal. Every view of a job is built from one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from states.conditions import Condition, Conditions
from states.journal import JournalError, read_records
from states.machine import Lifecycle
from states.outcomes import Outcome, Reason
from states.table import Event, State
from states.transition import Transition


@dataclass(frozen=True, kw_only=True)
class Step:
    """A timed step of start-up or shutdown, which ended at `t`."""

    name: str
    ok: bool
    reason: str
    t: float
    elapsed_ms: float
    attempts: int
    #: For a loader: the resources that it waited for; None if the journal does not say.
    needs: tuple[str, ...] | None = None
    #: For a loader with its own budget: the budget in seconds.
    budget_s: float | None = None

    @property
    def began(self) -> float:
        """The start in seconds since the job was received."""
        return max(0.0, self.t - self.elapsed_ms / 1000)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One uninterrupted turn. `heard` is the part of an interviewer's turn that was heard."""

    seq: int
    t: float
    at: str
    speaker: str
    text: str
    generated: str
    heard: str
    interrupted: bool
    question_id: str | None


@dataclass(frozen=True, kw_only=True)
class History:
    """One job, as recorded in its journal."""

    header: Mapping[str, Any] = field(default_factory=dict)
    #: State changes only; the entry into HANDSHAKE is the first.
    transitions: tuple[Transition, ...] = ()
    #: Events that changed no state.
    internals: tuple[Transition, ...] = ()
    #: Every reported condition, in order; `conditions` holds the last one of each resource.
    condition_changes: tuple[Condition, ...] = ()
    steps: tuple[Step, ...] = ()
    turns: tuple[Turn, ...] = ()
    faults: tuple[Mapping[str, Any], ...] = ()
    #: The process is known to have exited. If it died together with its worker, `exit_code` and
    #: `signal` are unknown and may both be None.
    exited: bool = False
    exit_code: int | None = None
    signal: int | None = None
    #: Length in bytes of a torn last line, which was ignored.
    torn_bytes: int = 0

    @classmethod
    def read(cls, path: Path | str) -> History:
        """Read a journal file, even while a job writes to it. Raises JournalError."""
        found = read_records(Path(path))
        return cls.from_records(found.records, torn_bytes=found.torn_bytes)

    @classmethod
    def of(cls, lifecycle: Lifecycle) -> History:
        """Return the history of a live lifecycle so far, from its journal's records."""
        records = getattr(lifecycle.journal, "records", None)
        if records is None:
            raise JournalError("this lifecycle's journal keeps no records in memory")
        return cls.from_records(records)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]], *, torn_bytes: int = 0) -> History:
        """Build from journal records, in any order and with repeats. Raises JournalError."""
        reader = _Reader()
        try:
            by_seq = {record["seq"]: record for record in records}
        except KeyError as error:
            raise JournalError("a record has no seq") from error
        for seq in sorted(by_seq):
            record = by_seq[seq]
            try:
                reader.read(record)
            except (KeyError, ValueError, TypeError) as error:
                raise JournalError(f"record {seq} ({record.get('kind')}): {error!r}") from error
        return cls(
            header=reader.header,
            transitions=tuple(reader.transitions),
            internals=tuple(reader.internals),
            condition_changes=tuple(reader.conditions),
            steps=tuple(reader.steps),
            turns=tuple(reader.turns),
            faults=tuple(reader.faults),
            exited=reader.exited,
            exit_code=reader.exit_code,
            signal=reader.signal,
            torn_bytes=torn_bytes,
        )

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> History:
        """Parse the output of `interview-worker jobs show --json`. Raises JournalError."""
        try:
            job = json.loads(text) if isinstance(text, str) else text
            return cls(
                header={key: job.get(key) for key in ("job_id", "interview_id", "room", "pid")},
                transitions=tuple(_transition(entry) for entry in job["transitions"]),
                condition_changes=tuple(Condition.from_record(c) for c in job["conditions"]),
                steps=tuple(_step(entry) for entry in job["steps"]),
                exited=bool(job.get("exited")),
                exit_code=job.get("exit_code"),
                signal=job.get("signal"),
            )
        except (AttributeError, KeyError, ValueError, TypeError) as error:
            raise JournalError(f"this is not the JSON of a job: {error!r}") from error

    def as_json(self) -> dict[str, Any]:
        """Return the data that `interview-worker jobs show --json` prints and `from_json` reads."""
        return {
            **{key: self.header.get(key) for key in ("job_id", "interview_id", "room", "pid")},
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
    def state(self) -> State | None:
        """The current state, or the last one in the journal; None for an empty journal."""
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
        return gone and self.state is not State.CLOSED

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the job; None before it is closing.

        FAILED if the process ended before CLOSED, even if the job was closing with another outcome.
        """
        if self.broke_off:
            return Outcome.FAILED
        return next((x.outcome for x in reversed(self.transitions) if x.outcome), None)

    @property
    def reason(self) -> Reason | None:
        """The reason of the job's end; None before it is closing."""
        if self.broke_off:
            return Reason.PROCESS_EXITED if self.signal is None else Reason.PROCESS_KILLED
        return next((x.reason for x in reversed(self.transitions) if x.reason), None)

    def entered(self, state: State) -> float | None:
        """Return when the job first entered `state`, in seconds since it was received."""
        return next((x.t for x in self.transitions if x.target is state), None)

    def stays(self) -> tuple[tuple[State, float, float | None], ...]:
        """Return each visit: state, time of entry, seconds spent (None for the current state)."""
        entries = self.transitions
        ends = [later.t for later in entries[1:]]
        visits = [(x.target, x.t, end - x.t) for x, end in zip(entries, ends, strict=False)]
        return (*visits, (entries[-1].target, entries[-1].t, None)) if entries else ()


def _transition(entry: Mapping[str, Any]) -> Transition:
    return Transition(
        source=State(entry["from"]) if entry["from"] else None,
        event=Event(entry["event"]) if entry["event"] else None,
        target=State(entry["to"]),
        t=float(entry["t"]),
        outcome=Outcome(entry["outcome"]) if entry.get("outcome") else None,
        # Looked up by value: only the members themselves use __new__'s second argument.
        reason=Reason(entry["reason"]) if entry.get("reason") else None,  # type: ignore[call-arg]
    )


def _step(entry: Mapping[str, Any]) -> Step:
    needs, budget_s = entry.get("needs"), entry.get("budget_s")
    if not math.isfinite(entry["elapsed_ms"]):
        raise ValueError("elapsed_ms is not a number of milliseconds")
    return Step(
        name=entry["name"],
        ok=bool(entry["ok"]),
        reason=entry["reason"],
        t=float(entry["t"]),
        elapsed_ms=float(entry["elapsed_ms"]),
        attempts=int(entry["attempts"]),
        needs=None if needs is None else tuple(needs),
        budget_s=None if budget_s is None else float(budget_s),
    )


class _Reader:
    """Sorts records by kind."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.transitions: list[Transition] = []
        self.internals: list[Transition] = []
        self.conditions: list[Condition] = []
        self.steps: list[Step] = []
        self.turns: list[Turn] = []
        self.faults: list[Mapping[str, Any]] = []
        self.exited = False
        self.exit_code: int | None = None
        self.signal: int | None = None

    def read(self, record: Mapping[str, Any]) -> None:
        kind = record["kind"]
        if not math.isfinite(record.get("t", 0.0)):
            raise ValueError("t is not a number of seconds")
        if kind == "job":
            self.header = {k: v for k, v in record.items() if k not in ("v", "seq", "kind")}
        elif kind == "transition":
            self.transitions.append(_transition(record))
        elif kind == "internal":
            state, event = State(record["state"]), Event(record["event"])
            self.internals.append(
                Transition(source=state, event=event, target=state, t=float(record["t"]))
            )
        elif kind == "condition":
            self.conditions.append(Condition.from_record(record))
        elif kind == "step":
            self.steps.append(_step(record))
        elif kind == "turn":
            self.turns.append(_turn(record))
        elif kind == "fault":
            self.faults.append(dict(record))
        elif kind == "exit":
            self.exited = True
            self.exit_code, self.signal = record["exit_code"], record.get("signal")
        # Ignore unknown kinds: a later version with the same format number may add some.


def _turn(record: Mapping[str, Any]) -> Turn:
    return Turn(
        seq=int(record["seq"]),
        t=float(record["t"]),
        at=record["at"],
        speaker=record["speaker"],
        text=record["text"],
        generated=record.get("generated", ""),
        heard=record.get("heard", ""),
        interrupted=bool(record.get("interrupted", False)),
        question_id=record.get("question_id"),
    )
