"""`Record`: one input of a dialogue, with the decision for this input, and its JSON form.

A record contains the table row that was taken, the next place, and the changes of the state.
Therefore `fold` computes the state from the records alone, also if an older version of the table
wrote the records. A name in a record that this version does not know is kept unchanged. An unknown
act counts as ANSWER. An unknown event makes only the changes that its record contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.interview.dialogue.acts import Act, act_of
from worker.interview.dialogue.decide import Step
from worker.interview.dialogue.events import Detail, event_of
from worker.interview.dialogue.inputs import Happening, Input, Turn
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Place, Standing, Status, place_of
from worker.interview.dialogue.state import Dialogue, Fact, Scalar
from worker.interview.dialogue.table import VERSION

#: Version of the record format.
FORMAT: Final = 1
#: Keys of a record that this module gives a meaning. Other keys are kept as they are.
_KEYS: Final = (
    "v",
    "table",
    "seq",
    "token",
    "kind",
    "name",
    "also",
    "detail",
    "share",
    "words",
    "points",
    "about",
    "cut",
    "time_over",
    "phase",
    "question",
    "visit",
    "round",
    "row",
    "move",
    "to",
    "effect",
    "counters",
    "facts",
    "late",
)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One committed record.

    `more` has the fields that the dialogue does not use (text, times, channel).
    """

    seq: int
    token: int = 0
    #: "turn" for a turn of the candidate; "event" for everything else.
    kind: str
    #: The stored name of the act or event.
    name: str
    also: str = ""
    detail: str = ""
    share: float = 1.0
    words: int = 0
    points: tuple[str, ...] = ()
    about: str = ""
    cut: bool = False
    time_over: bool = False
    #: The place before, as text.
    phase: str
    #: The question whose answer the words belong to; empty if they belong to none.
    question: str = ""
    visit: int = 0
    round: int = 1
    rows: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    #: The place after.
    to: Place | None
    standings: Mapping[str, Standing] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    #: True if the job that wrote the record had lost the lease. Only the words count.
    late: bool = False
    table: int = VERSION
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> str:
        """The name of the table row that was taken; empty if no row matched the input."""
        return self.rows[-1] if self.rows else ""

    def given(self) -> Input | None:
        """Return the input of the record; None for an event that this version does not know."""
        if self.kind == "turn":
            return Turn(
                act=act_of(self.name),
                also=act_of(self.also) if self.also in tuple(Act) else None,
                words=self.words,
                points=self.points,
                share=self.share,
                about=self.about,
                cut=self.cut,
                time_over=self.time_over,
            )
        event = event_of(self.name)
        detail = Detail(self.detail) if self.detail in tuple(Detail) else None
        if event is None:
            return None
        return Happening(event=event, detail=detail, share=self.share)


def record(
    before: Dialogue, given: Input, step: Step, *, seq: int, token: int = 0, **more: Any
) -> Record:
    """Return the record of an input and of the step that `decide` returned for the input.

    `more` are fields that the dialogue does not use.
    """
    turn = given if isinstance(given, Turn) else None
    happening = given if isinstance(given, Happening) else None
    return Record(
        seq=seq,
        token=token,
        kind="turn" if turn else "event",
        name=str(turn.act if turn else happening.event if happening else ""),
        also=str(turn.also or "") if turn else "",
        detail=str(happening.detail or "") if happening else "",
        share=given.share,
        words=turn.words if turn else 0,
        points=turn.points if turn else (),
        about=turn.about if turn else "",
        cut=turn is not None and turn.cut,
        time_over=turn is not None and turn.time_over,
        phase=str(before.place),
        question=step.words_of,
        visit=before.visit(before.question),
        round=int(before.facts.get(Fact.ROUND, 1)),
        rows=step.rows,
        moves=step.moves,
        to=step.to,
        standings=step.standings,
        counters=step.counters,
        facts=step.facts,
        more=more,
    )


def to_json(record: Record) -> dict[str, Any]:
    """Return the record as JSON data. Fields without a value are left out."""
    plain: dict[str, Any] = {
        "v": FORMAT,
        "table": record.table,
        "seq": record.seq,
        "token": record.token,
        "kind": record.kind,
        "name": record.name,
        "also": record.also,
        "detail": record.detail,
        "share": record.share,
        "words": record.words,
        "points": list(record.points),
        "about": record.about,
        "cut": record.cut,
        "time_over": record.time_over,
        "phase": record.phase,
        "question": record.question,
        "visit": record.visit,
        "round": record.round,
        "row": "/".join(record.rows),
        "move": [str(move) for move in record.moves],
        "to": str(record.to) if record.to else "",
        "effect": {q: [str(s.status), s.reason] for q, s in record.standings.items()},
        "counters": dict(record.counters),
        "facts": {str(name): value for name, value in record.facts.items()},
        "late": record.late,
    }
    kept = ("v", "table", "seq", "token", "kind", "name", "phase", "to", "share")
    return {k: v for k, v in plain.items() if v or k in kept} | dict(record.more)


def from_json(data: Mapping[str, Any]) -> Record:
    """Return the record from JSON data.

    Raises KeyError, TypeError or ValueError if the data is no record.
    """
    effect = {q: _standing(*each) for q, each in data.get("effect", {}).items()}
    return Record(
        seq=int(data["seq"]),
        token=int(data.get("token", 0)),
        kind=str(data["kind"]),
        name=str(data["name"]),
        also=str(data.get("also", "")),
        detail=str(data.get("detail", "")),
        share=float(data.get("share", 1.0)),
        words=int(data.get("words", 0)),
        points=tuple(data.get("points", ())),
        about=str(data.get("about", "")),
        cut=bool(data.get("cut", False)),
        time_over=bool(data.get("time_over", False)),
        phase=str(data.get("phase", "")),
        question=str(data.get("question", "")),
        visit=int(data.get("visit", 0)),
        round=int(data.get("round", 1)),
        rows=tuple(part for part in str(data.get("row", "")).split("/") if part),
        moves=tuple(Move(move) for move in data.get("move", ()) if move in tuple(Move)),
        to=place_of(str(data.get("to", ""))),
        standings={q: standing for q, standing in effect.items() if standing},
        counters={str(k): int(v) for k, v in data.get("counters", {}).items()},
        facts=dict(data.get("facts", {})),
        late=bool(data.get("late", False)),
        table=int(data.get("table", 0)),
        more={key: value for key, value in data.items() if key not in _KEYS},
    )


def _standing(status: str, reason: str = "") -> Standing | None:
    return Standing(Status(status), reason) if status in tuple(Status) else None
