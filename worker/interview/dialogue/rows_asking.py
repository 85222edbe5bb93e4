"""Rows of the phase ASKING, in which the interviewer says a question or a probe of the plan.

An act for which ASKING has no row is looked up in the rows of LISTENING. If the prompt is still
unheard after a turn of the candidate, the prompt is said again, and the counter `cut` of
interrupted prompts is increased (`decide`).
"""

from __future__ import annotations

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.effects import (
    adds,
    failed_unheard,
    prompt_given_up,
    prompt_was_heard,
    undone,
    withdrawn,
)
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.guards import (
    CUT_SAYS_SO,
    both,
    can_withdraw,
    cut_to_the_end,
    detail_is,
    exactly,
    heard_before,
    heard_until_the_turn,
    long_answer_over_half,
    no,
    prompt_heard,
    since,
    too_many_unheard,
    undo_possible,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Phase
from worker.interview.dialogue.row import Row, Way

_A, _E, _M = Act, Event, Move
_AT = Phase.ASKING

#: Acts that would be about a question which the candidate has not heard.
_TOO_EARLY = (
    _A.SKIP,
    _A.LATER,
    _A.NO_ANSWER,
    _A.DONE,
    _A.AFFIRM,
    _A.DENY,
    _A.READY,
    _A.STALL,
    _A.SMALL_TALK,
)

ASKING = (
    Row(
        name="prompt_heard",
        at=_AT,
        on=(_E.PROMPT_DONE,),
        guard=prompt_heard,
        to=Phase.LISTENING,
        effects=(prompt_was_heard,),
    ),
    # The words of the candidate follow, and decide.
    Row(name="prompt_cut", at=_AT, on=(_E.PROMPT_DONE,), guard=detail_is(Detail.CUT)),
    Row(
        name="prompt_unheard",
        at=_AT,
        on=(_E.PROMPT_DONE, _E.NOMATCH),
        guard=no(cut_to_the_end),
        moves=(_M.FULL,),
        counter="cut",
    ),
    Row(
        name="too_many_prompts_unheard",
        at=_AT,
        on=(_E.PROMPT_DONE, _E.NOMATCH),
        guard=both(too_many_unheard, no(heard_before)),
        moves=(_M.GOODBYE,),
        to=Phase.FAREWELL,
        effects=(failed_unheard,),
    ),
    Row(
        name="prompt_given_up",
        at=_AT,
        on=(_E.PROMPT_DONE, _E.NOMATCH),
        moves=(_M.NEXT,),
        to=Way.NEXT,
        effects=(prompt_given_up,),
    ),
    Row(
        name="acts_after_a_heard_prompt",
        at=_AT,
        on=tuple(_A),
        guard=heard_until_the_turn,
        effects=(prompt_was_heard,),
        listened=True,
    ),
    Row(
        name="answer_goes_on",
        at=_AT,
        on=(_A.ANSWER,),
        guard=undo_possible,
        moves=(_M.LAST,),
        to=Way.TARGET,
        effects=(undone,),
    ),
    Row(
        name="undo",
        at=_AT,
        on=(_A.GO_BACK,),
        guard=undo_possible,
        moves=(_M.LAST,),
        to=Way.TARGET,
        effects=(undone,),
    ),
    Row(
        name="answer_over_half",
        at=_AT,
        on=(_A.ANSWER,),
        guard=both(no(heard_before), long_answer_over_half, no(since(CUT_SAYS_SO, "cut"))),
        moves=(_M.UNHEARD_PART,),
        effects=(adds("kept"),),
    ),
    Row(
        name="let_me_finish",
        at=_AT,
        on=(_A.ANSWER, *_TOO_EARLY),
        guard=both(no(heard_before), exactly(CUT_SAYS_SO, "cut")),
        moves=(_M.LET_ME_FINISH, _M.FULL, _M.IN_WRITING),
    ),
    Row(
        name="act_over_the_prompt",
        at=_AT,
        on=(_A.ANSWER, *_TOO_EARLY),
        guard=no(heard_before),
        moves=(_M.FULL,),
    ),
    Row(
        name="withdrawn",
        at=_AT,
        on=(_E.WITHDRAWN,),
        guard=can_withdraw,
        to=Way.TARGET,
        effects=(withdrawn,),
    ),
    # The words count as talk over the prompt.
    Row(
        name="withdrawn_too_often",
        at=_AT,
        on=(_E.WITHDRAWN,),
        moves=(_M.FULL,),
        counter="cut",
    ),
)
