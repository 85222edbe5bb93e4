"""Rows that replace another row when a limit is reached, so that the dialogue always advances."""

from __future__ import annotations

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.effects import (
    adds,
    clears,
    failed_unheard,
    prompt_given_up,
    stalled,
)
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.guards import (
    CUT_GOES_ON,
    MOST_OFFERS,
    RUN_OFFERS,
    SIDE_GOES_ON,
    SIDE_OFFERS,
    at_question,
    both,
    exactly,
    fact,
    heard_before,
    no,
    since,
    too_many_unheard,
    up_to,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Phase
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.state import Fact

_A, _E, _M = Act, Event, Move
_SKIP = (Phase.CLARIFYING, Kind.SKIP)

#: Rows that replace a side move once a visit, or the turns since the last answer, have too many.
SIDE_LIMITS = (
    Row(
        name="another_time",
        at=None,
        on=(*_A, *_E),
        guard=both(
            since(RUN_OFFERS, "side_run"),
            up_to(MOST_OFFERS, "offer_postpone"),
            no(fact(Fact.ABSENT)),
        ),
        moves=(_M.CONFIRM_END,),
        to=(Phase.CONFIRMING_END, Kind.POSTPONE),
        effects=(adds("offer_postpone"), clears("side_run")),
    ),
    Row(
        name="side_moves_offer_skip",
        at=None,
        on=(*_A, *_E),
        guard=both(at_question, exactly(SIDE_OFFERS, "side")),
        moves=(_M.SKIP_OR_LATER,),
        to=_SKIP,
    ),
    Row(
        name="side_moves_go_on",
        at=None,
        on=(*_A, *_E),
        guard=both(at_question, since(SIDE_GOES_ON, "side")),
        moves=(_M.NEXT,),
        to=Way.NEXT,
        effects=(stalled,),
    ),
)

#: Rows that replace another row of ASKING that would say the same prompt once more.
UNHEARD_LIMITS = (
    Row(
        name="too_many_questions_cut",
        at=Phase.ASKING,
        on=(*_A, *_E),
        guard=both(since(CUT_GOES_ON, "cut"), too_many_unheard, no(heard_before)),
        moves=(_M.GOODBYE,),
        to=Phase.FAREWELL,
        effects=(failed_unheard,),
    ),
    Row(
        name="prompt_cut_too_often",
        at=Phase.ASKING,
        on=(*_A, *_E),
        guard=since(CUT_GOES_ON, "cut"),
        moves=(_M.NEXT,),
        to=Way.NEXT,
        effects=(prompt_given_up,),
    ),
)
