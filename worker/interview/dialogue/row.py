"""`Row`: one row of the dialogue's table. `Way`: a next place that depends on the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.guards import Guard
from worker.interview.dialogue.moment import Moment
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Phase

Effect: TypeAlias = Callable[[Moment], None]


class Way(StrEnum):
    """The next place of a row, if this place depends on the state of the dialogue."""

    #: The same place.
    STAY = "="
    #: The first question in plan order that is not reached or open, else the deferred ones, else
    #: the candidate's questions, else the goodbye.
    NEXT = "NEXT"
    #: The place to which a side sequence returns. A question is listened to, if it was heard.
    RETURN = "RETURN"
    #: The question before a side sequence, in full; elsewhere the place that RETURN names.
    AGAIN = "AGAIN"
    #: The place from which a new interviewer continues (`resume`).
    RESUME = "RESUME"
    #: The question that the row's effect names.
    TARGET = "TARGET"


Target: TypeAlias = Way | Phase | tuple[Phase, Kind]
#: Where a row holds: in a phase, in one kind of a phase, or anywhere.
Scope: TypeAlias = Phase | tuple[Phase, Kind] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One row: in the scope `at`, the interviewer reacts to `on` with `moves`, if `guard` holds.

    The dialogue then enters `to`, and `effects` change its state.

    If `as_act` is set, the input is looked up again as this act, so that two acts share rows.
    """

    name: str
    at: Scope
    on: tuple[Act | Event, ...]
    guard: Guard | None = None
    moves: tuple[Move, ...] = ()
    to: Target = Way.STAY
    effects: tuple[Effect, ...] = ()
    as_act: Act | None = None
    #: True if the input is looked up again as the request that the turn has besides its answer.
    as_request: bool = False
    #: True if the input is looked up again in the rows of LISTENING.
    listened: bool = False
    #: True if the row counts for the limits of side moves.
    side: bool = False
    #: The counter that the row adds to. Empty: the counter of the act or event.
    counter: str = field(default="")


def listening(
    name: str,
    on: Act | Event,
    *moves: Move,
    guard: Guard | None = None,
    to: Target = Way.STAY,
    effects: tuple[Effect, ...] = (),
    counter: str = "",
    side: bool = False,
) -> Row:
    """Return a row for the phase LISTENING."""
    return Row(
        name=name,
        at=Phase.LISTENING,
        on=(on,),
        guard=guard,
        moves=moves,
        to=to,
        effects=effects,
        counter=counter,
        side=side,
    )


def side_move(
    name: str,
    on: Act | Event,
    *moves: Move,
    guard: Guard | None = None,
    to: Target = Way.STAY,
    effects: tuple[Effect, ...] = (),
    counter: str = "",
) -> Row:
    """Return a row of LISTENING that counts for the limits in `rows_limits.SIDE_LIMITS`."""
    return listening(
        name, on, *moves, guard=guard, to=to, effects=effects, counter=counter, side=True
    )
