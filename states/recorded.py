"""Parses the records of a journal into typed values. A value of a wrong type raises an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from states.conditions import Condition
from states.ends import reason_from_data
from states.journal import MOST_S
from states.outcomes import Outcome
from states.table import Event, State
from states.transition import Transition

#: Maximum length of the description of a wrong record, in characters. A value may have any length.
_LONGEST: Final = 200


@dataclass(frozen=True, kw_only=True)
class Step:
    """A timed step of a job's start-up or shutdown. `t` is the time at which the step ended."""

    name: str
    ok: bool
    reason: str
    t: float
    elapsed_ms: float
    attempts: int
    #: Names of the resources that a loader waited for; None for any other step, or if not recorded.
    needs: tuple[str, ...] | None = None
    #: Time budget of a loader in seconds; None for a step without a time budget of its own.
    budget_s: float | None = None

    @property
    def began(self) -> float:
        """The time at which the step began, in seconds since the job was received."""
        return max(0.0, self.t - self.elapsed_ms / 1000)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of the interviewer or of the candidate.

    For the interviewer's turns, `heard` is the part of the text that was played to the candidate.
    """

    seq: int
    t: float
    at: str
    speaker: str
    text: str
    generated: str
    heard: str
    interrupted: bool
    question_id: str | None


def transition_from(entry: Mapping[str, Any]) -> Transition:
    """Parse a transition. A wrong field raises KeyError, TypeError, ValueError or OverflowError."""
    event, target = Event(entry["event"]) if entry["event"] else None, State(entry["to"])
    declared = event is Event.APPLICATION_ENDED or target is State.CLOSED
    reason = entry.get("reason")
    return Transition(
        source=State(entry["from"]) if entry["from"] else None,
        event=event,
        target=target,
        t=_seconds(entry["t"], "t"),
        outcome=Outcome(entry["outcome"]) if entry.get("outcome") else None,
        reason=reason_from_data(reason, declared=declared) if reason else None,
    )


def step_from(entry: Mapping[str, Any]) -> Step:
    """Parse a timed step. A wrong field raises KeyError, TypeError, ValueError or OverflowError."""
    needs, budget_s = entry.get("needs"), entry.get("budget_s")
    return Step(
        name=_text(entry, "name"),
        ok=bool(entry["ok"]),
        reason=_text(entry, "reason"),
        t=_seconds(entry["t"], "t"),
        elapsed_ms=_seconds(entry["elapsed_ms"], "elapsed_ms"),
        attempts=int(entry["attempts"]),
        needs=None if needs is None else _names(needs),
        budget_s=None if budget_s is None else _seconds(budget_s, "budget_s"),
    )


class RecordReader:
    """Parses the records of one journal, in order, and collects the results by kind."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.transitions: list[Transition] = []
        self.internals: list[Transition] = []
        self.conditions: list[Condition] = []
        self.steps: list[Step] = []
        self.turns: list[Turn] = []
        self.dialogue: list[Mapping[str, Any]] = []
        self.faults: list[Mapping[str, Any]] = []
        self.exited = False
        self.exit_code: int | None = None
        self.signal: int | None = None

    def read(self, record: Mapping[str, Any]) -> None:
        """Add a record. A wrong field raises KeyError, TypeError, ValueError or OverflowError."""
        kind = record["kind"]
        _seconds(record.get("t", 0.0), "t")
        if kind == "job":
            self.header = _header(record)
        elif kind == "transition":
            self.transitions.append(transition_from(record))
        elif kind == "internal" or (kind == "clock" and record.get("event") is not None):
            state, event = State(record["state"]), Event(record["event"])
            self.internals.append(
                Transition(source=state, event=event, target=state, t=float(record["t"]))
            )
        elif kind == "condition":
            self.conditions.append(Condition.from_record(record))
        elif kind == "step":
            self.steps.append(step_from(record))
        elif kind == "turn":
            self.turns.append(_turn(record))
        elif kind == "dialogue":
            _text(record, "to")
            self.dialogue.append(dict(record))
        elif kind == "fault":
            _text(record, "where", default="")
            self.faults.append(dict(record))
        elif kind == "exit":
            self.exited = True
            self.exit_code = whole_number(record["exit_code"])
            self.signal = whole_number(record.get("signal"))
        # Ignore a record of an unknown kind, because a later version of this package may add kinds
        # without a new format number.


def _turn(record: Mapping[str, Any]) -> Turn:
    return Turn(
        seq=int(record["seq"]),
        t=float(record["t"]),
        at=_text(record, "at"),
        speaker=_text(record, "speaker"),
        text=_text(record, "text"),
        generated=_text(record, "generated", default=""),
        heard=_text(record, "heard", default=""),
        interrupted=bool(record.get("interrupted", False)),
        question_id=None if record.get("question_id") is None else _text(record, "question_id"),
    )


def _header(record: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("job_id", "interview_id", "room"):
        if record.get(name) is not None:
            _text(record, name)
    whole_number(record.get("pid"))
    return {key: value for key, value in record.items() if key not in ("v", "seq", "kind")}


def described(error: Exception) -> str:
    """Return the type and the message of an error about a record, on one line, of bounded length.

    The message may quote a value of the record.
    """
    text = repr(error)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _seconds(value: Any, name: str) -> float:
    """Return a time.

    Raises ValueError or TypeError if `value` is not a number, or is too large for a job.
    """
    if not -MOST_S < value < MOST_S:  # this comparison also refuses NaN
        raise ValueError(f"{name} is not a number")
    return float(value)


def _text(entry: Mapping[str, Any], key: str, *, default: str | None = None) -> str:
    value = entry[key] if default is None else entry.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} is not text")
    return value


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError("needs is not a list of names")


def whole_number(value: object) -> int | None:
    """Check and return an exit code, a signal or a process id.

    Raises ValueError if `value` is neither a whole number nor None.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("an exit code, a signal or a pid is not a whole number")
