"""Rows of the side sequences, which interrupt the plan: WAITING, CLARIFYING, CONFIRMING_END.

An act for which WAITING or CLARIFYING has no row is looked up in the rows of the phase to which the
side sequence returns.
"""

from __future__ import annotations

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.effects import answered, clears, closes, confirmed, ends_as, sets
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.guards import (
    Guard,
    affirms_again,
    at_question,
    both,
    fact,
    line_heard,
    no,
    short_answer,
    since,
    up_to,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Outcome, Phase, Status
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.state import Fact

_A, _E, _M, _P, _K = Act, Event, Move, Phase, Kind

WAITING = (
    Row(
        name="waiting_over",
        at=_P.WAITING,
        on=(_A.READY, _A.AFFIRM, _A.DONE),
        moves=(_M.GO_AHEAD,),
        to=Way.RETURN,
        side=True,
    ),
    Row(name="waiting_stall", at=_P.WAITING, on=(_A.STALL, _A.SMALL_TALK)),
    Row(
        name="waiting_silent",
        at=_P.WAITING,
        on=(_E.NOINPUT,),
        moves=(_M.ARE_YOU_READY,),
        to=(_P.CLARIFYING, _K.READY),
        side=True,
        counter="silence",
    ),
)


def _yes(kind: Kind, *moves: Move, to: Way = Way.RETURN) -> Row:
    return Row(
        name=f"{kind}_yes",
        at=(_P.CLARIFYING, kind),
        on=(_A.AFFIRM, _A.READY),
        guard=line_heard,
        moves=moves,
        to=to,
        side=True,
    )


def _no(kind: Kind, *moves: Move) -> Row:
    return Row(
        name=f"{kind}_no",
        at=(_P.CLARIFYING, kind),
        on=(_A.DENY,),
        guard=line_heard,
        moves=moves,
        to=Way.RETURN,
        side=True,
    )


CLARIFYING = (
    # A yes or a no to a question that was not heard answers nothing.
    Row(
        name="own_question_not_heard",
        at=_P.CLARIFYING,
        on=(_A.AFFIRM, _A.DENY),
        guard=no(line_heard),
        moves=(_M.SAME,),
        side=True,
    ),
    _yes(_K.REPEAT, _M.FULL),
    _no(_K.REPEAT, _M.TAKE_YOUR_TIME),
    Row(
        name="skip_yes",
        at=(_P.CLARIFYING, _K.SKIP),
        on=(_A.AFFIRM,),
        guard=line_heard,
        moves=(_M.LEAVE_OUT, _M.NEXT),
        to=Way.NEXT,
        effects=(closes(Status.DECLINED, "skipped", undoable=True),),
    ),
    _no(_K.SKIP, _M.TAKE_YOUR_TIME),
    _yes(_K.THERE, _M.LAST),
    _no(_K.THERE, _M.TAKE_YOUR_TIME),
    _yes(_K.READY, _M.GO_AHEAD),
    Row(
        name="ready_no",
        at=(_P.CLARIFYING, _K.READY),
        on=(_A.DENY,),
        guard=line_heard,
        moves=(_M.TAKE_YOUR_TIME,),
        to=(_P.WAITING, _K.THINK),
        side=True,
    ),
    Row(
        name="pause_yes",
        at=(_P.CLARIFYING, _K.PAUSE),
        on=(_A.AFFIRM, _A.WAIT),
        guard=line_heard,
        moves=(_M.TAKE_YOUR_TIME,),
        to=(_P.WAITING, _K.BREAK),
        side=True,
    ),
    _no(_K.PAUSE, _M.LAST),
    _yes(_K.LANGUAGE, _M.FULL),
    _no(_K.LANGUAGE, _M.LAST),
    Row(
        name="readback_yes",
        at=(_P.CLARIFYING, _K.READBACK),
        on=(_A.AFFIRM, _A.DONE),
        guard=line_heard,
        moves=(_M.NEXT,),
        to=Way.NEXT,
        effects=(answered,),
    ),
    Row(
        name="readback_no",
        at=(_P.CLARIFYING, _K.READBACK),
        on=(_A.DENY,),
        guard=line_heard,
        moves=(_M.LAST, _M.TYPING),
        to=Way.RETURN,
        side=True,
    ),
    Row(
        name="own_question_unclear",
        at=_P.CLARIFYING,
        on=(_A.ANSWER, _E.NOMATCH),
        guard=both(short_answer, up_to(1, "unclear")),
        moves=(_M.SAME,),
        side=True,
        counter="unclear",
    ),
    Row(
        name="skip_left_open",
        at=(_P.CLARIFYING, _K.SKIP),
        on=(_A.ANSWER, _E.NOMATCH),
        guard=both(short_answer, since(2, "unclear")),
        moves=(_M.LEAVE_OPEN, _M.LAST),
        to=Way.RETURN,
        side=True,
        counter="unclear",
    ),
    Row(
        name="own_question_left_open",
        at=_P.CLARIFYING,
        on=(_A.ANSWER, _E.NOMATCH),
        guard=short_answer,
        moves=(_M.LAST,),
        to=Way.RETURN,
        side=True,
        counter="unclear",
    ),
    # Before the first question: the ladder of the questions does not fit.
    Row(
        name="own_question_silent",
        at=_P.CLARIFYING,
        on=(_E.NOINPUT,),
        guard=both(no(at_question), up_to(3, "silence")),
        moves=(_M.SAME,),
        counter="silence",
    ),
    Row(
        name="own_question_silent_to_the_end",
        at=_P.CLARIFYING,
        on=(_E.NOINPUT,),
        guard=no(at_question),
        moves=(_M.GOODBYE,),
        to=_P.FAREWELL,
        effects=(ends_as(Outcome.MISSED, "silent"),),
    ),
)

_END = _P.CONFIRMING_END


def _ends(name: str, on: tuple[Act, ...], guard: Guard | None) -> Row:
    return Row(
        name=name,
        at=_END,
        on=on,
        guard=guard,
        moves=(_M.GOODBYE,),
        to=_P.FAREWELL,
        effects=(confirmed,),
    )


CONFIRMING_END = (
    _ends("end_confirmed", (_A.AFFIRM, _A.READY), line_heard),
    Row(
        name="end_question_not_heard",
        at=_END,
        on=(_A.AFFIRM, _A.READY),
        guard=up_to(2, "confirm_unheard"),
        moves=(_M.SAME, _M.IN_WRITING),
        counter="confirm_unheard",
    ),
    _ends("end_confirmed_in_writing", (_A.AFFIRM, _A.READY), None),
    _ends(
        "end_wished_again",
        (_A.STOP, _A.POSTPONE, _A.WITHDRAW_CONSENT, _A.HUMAN),
        affirms_again,
    ),
    Row(
        name="postponed_instead",
        at=(_END, _K.STOP),
        on=(_A.POSTPONE,),
        moves=(_M.GOODBYE,),
        to=_P.FAREWELL,
        effects=(ends_as(Outcome.POSTPONED, "stopped"),),
    ),
    # Without consent the consent question is asked once more, and then the interview ends.
    Row(
        name="consent_asked_again",
        at=(_END, _K.CONSENT),
        on=tuple(_A),
        guard=up_to(1, "consent_again"),
        moves=(_M.ASK_CONSENT,),
        to=_P.CONSENT,
        counter="consent_again",
    ),
    Row(
        name="consent_refused",
        at=(_END, _K.CONSENT),
        on=tuple(_A),
        moves=(_M.GOODBYE,),
        to=_P.FAREWELL,
        effects=(ends_as(Outcome.REFUSED, "refused"),),
    ),
    Row(
        name="end_not_confirmed",
        at=_END,
        on=tuple(_A),
        moves=(_M.LAST,),
        to=Way.RETURN,
        effects=(clears("confirm_unheard"),),
    ),
    Row(
        name="end_unanswered",
        at=_END,
        on=(_E.NOINPUT, _E.NOMATCH),
        guard=up_to(1, "silence"),
        moves=(_M.SAME,),
        counter="silence",
    ),
    Row(
        name="end_unanswered_to_the_end",
        at=_END,
        on=(_E.NOINPUT, _E.NOMATCH),
        moves=(_M.GOODBYE,),
        to=_P.FAREWELL,
        effects=(ends_as(Outcome.MISSED, "silent"),),
    ),
    Row(
        name="returned_to_the_end",
        at=_END,
        on=(_E.RETURNED,),
        guard=fact(Fact.ABSENT),
        effects=(sets(Fact.ABSENT, False),),
        moves=(_M.WELCOME_BACK, _M.CONFIRM_END),
    ),
)
