"""Rows of the end (CANDIDATE_QUESTIONS, FAREWELL), and rows that hold in every phase."""

from __future__ import annotations

from worker.interview.dialogue.acts import QUESTION_ACTS, Act
from worker.interview.dialogue.effects import (
    ends_as,
    follow_up_asked,
    optional_dropped,
    partly,
    points_met,
    reopened,
    sets,
    time_ends,
)
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.guards import (
    MOST_CANDIDATE_TURNS,
    MOST_RETURNS,
    Guard,
    asked_for,
    both,
    detail_is,
    exactly,
    fact,
    has_request,
    may_follow_up,
    may_reopen,
    optional_left,
    since,
    up_to,
    utterance_heard,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Outcome, Phase
from worker.interview.dialogue.row import Effect, Row, Scope, Target, Way
from worker.interview.dialogue.state import Fact

_A, _E, _M, _P, _K = Act, Event, Move, Phase, Kind


def _row(
    name: str,
    at: Scope,
    on: tuple[Act | Event, ...],
    *moves: Move,
    guard: Guard | None = None,
    to: Target = Way.STAY,
    effects: tuple[Effect, ...] = (),
    counter: str = "",
    side: bool = False,
) -> Row:
    return Row(
        name=name,
        at=at,
        on=on,
        guard=guard,
        moves=moves,
        to=to,
        effects=effects,
        counter=counter,
        side=side,
    )


_CQ = _P.CANDIDATE_QUESTIONS
_TURNS = up_to(MOST_CANDIDATE_TURNS, "candidate_turn")

CANDIDATE_QUESTIONS = (
    _row(
        "candidate_asks",
        _CQ,
        (*QUESTION_ACTS, _A.HUMAN, _A.OBJECT_RECORDING),
        _M.FACT,
        _M.ANYTHING_ELSE,
        guard=_TURNS,
        counter="candidate_turn",
    ),
    _row(
        "candidate_adds",
        _CQ,
        (_A.ANSWER, _A.GO_BACK),
        _M.ADDED,
        _M.ANYTHING_ELSE,
        guard=_TURNS,
        counter="candidate_turn",
    ),
    _row(
        "candidate_may_ask",
        _CQ,
        (_A.AFFIRM, _A.READY),
        _M.GO_AHEAD,
        guard=_TURNS,
        counter="candidate_turn",
    ),
    _row(
        "candidate_hears_it_again",
        _CQ,
        (_A.REPEAT, _A.NOT_UNDERSTOOD, _A.REPHRASE, _A.CANNOT_HEAR, _A.PACE),
        _M.OFFER_QUESTIONS,
        guard=_TURNS,
        counter="candidate_turn",
    ),
    _row(
        "candidate_thinks",
        _CQ,
        (_A.STALL, _A.WAIT, _A.SMALL_TALK, _A.DISTRESS),
        guard=_TURNS,
        counter="candidate_turn",
    ),
    _row(
        "candidate_has_no_questions",
        _CQ,
        tuple(act for act in _A if act is not _A.WITHDRAW_CONSENT),
        _M.GOODBYE,
        to=_P.FAREWELL,
    ),
    _row(
        "candidate_silent",
        _CQ,
        (_E.NOINPUT, _E.NOMATCH),
        _M.ANYTHING_ELSE,
        guard=up_to(1, "silence"),
        counter="silence",
    ),
    _row(
        "candidate_silent_again",
        _CQ,
        (_E.NOINPUT, _E.NOMATCH, _E.SOFT, _E.HARD),
        _M.GOODBYE,
        to=_P.FAREWELL,
    ),
)

_BYE = _P.FAREWELL

FAREWELL = (
    _row("goodbye_heard", _BYE, (_E.PROMPT_DONE,), guard=utterance_heard),
    _row(
        "goodbye_again",
        _BYE,
        (_E.PROMPT_DONE,),
        _M.GOODBYE,
        guard=up_to(2, "goodbye"),
        counter="goodbye",
    ),
    _row(
        "goodbye_written",
        _BYE,
        (_E.PROMPT_DONE,),
        _M.GOODBYE,
        _M.IN_WRITING,
        guard=exactly(3, "goodbye"),
        counter="goodbye",
    ),
    _row("goodbye_left_at_that", _BYE, (_E.PROMPT_DONE,)),
    _row(
        "farewell_question",
        _BYE,
        (*QUESTION_ACTS, _A.HUMAN, _A.OBJECT_RECORDING, _A.WITHDRAW_CONSENT),
        _M.FACT,
        _M.SHORT_GOODBYE,
        guard=up_to(2, "farewell_turn"),
        counter="farewell_turn",
    ),
    _row(
        "farewell_addition",
        _BYE,
        (_A.ANSWER, _A.GO_BACK),
        _M.PASS_ON,
        _M.SHORT_GOODBYE,
        guard=up_to(2, "farewell_turn"),
        counter="farewell_turn",
    ),
    _row(
        "farewell_social",
        _BYE,
        (_A.SMALL_TALK,),
        _M.SHORT_GOODBYE,
        guard=up_to(1, "farewell_social"),
        counter="farewell_social",
    ),
    _row("farewell_goes_on", _BYE, tuple(_A)),
    _row("ended", _BYE, (_E.QUIET, _E.LEFT), to=_P.ENDED),
    _row("farewell_noted", _BYE, (_E.NOAUDIO, _E.BUDGET, _E.RETURNED, _E.GRACE_OVER, _E.ECHO)),
)

ENDED = (
    _row(
        "interview_reopened",
        _P.ENDED,
        (_E.RESUMED,),
        _M.WELCOME_BACK,
        guard=may_reopen,
        to=Way.RESUME,
        effects=(reopened,),
    ),
    _row("resumed_after_the_end", _P.ENDED, (_E.RESUMED,)),
)


def _confirms(name: str, kind: Kind, *acts: Act) -> Row:
    to = (_P.CONFIRMING_END, kind)
    return _row(name, None, acts, _M.CONFIRM_END, to=to)


def _insists(name: str, outcome: Outcome, act: Act, guard: Guard) -> Row:
    effects = (ends_as(outcome, "stopped"),)
    return _row(name, None, (act,), _M.GOODBYE, guard=guard, to=_P.FAREWELL, effects=effects)


_THIRD_TIME = asked_for(_A.STOP, _A.POSTPONE, times=3)

#: The acts that are heard in every phase.
_RIGHTS = (
    _insists("stop_insisted", Outcome.STOPPED, _A.STOP, _THIRD_TIME),
    _confirms("stop", _K.STOP, _A.STOP),
    _insists("postpone_insisted", Outcome.POSTPONED, _A.POSTPONE, _THIRD_TIME),
    _confirms("postpone", _K.POSTPONE, _A.POSTPONE),
    _row("human", None, (_A.HUMAN,), _M.FACT, _M.LAST, guard=exactly(1), side=True),
    _insists("human_insisted", Outcome.HUMAN, _A.HUMAN, asked_for(_A.HUMAN, times=4)),
    _confirms("human_again", _K.HUMAN, _A.HUMAN),
    _insists(
        "withdrawal_insisted",
        Outcome.WITHDRAWN,
        _A.WITHDRAW_CONSENT,
        asked_for(_A.WITHDRAW_CONSENT, times=3),
    ),
    _confirms("consent_withdrawn", _K.WITHDRAWN, _A.WITHDRAW_CONSENT),
    _row(
        "recording_objected",
        None,
        (_A.OBJECT_RECORDING,),
        _M.FACT,
        _M.LAST,
        guard=up_to(3),
        effects=(sets(Fact.UNRECORDED),),
        side=True,
    ),
    _row(
        "recording_objected_again",
        None,
        (_A.OBJECT_RECORDING,),
        effects=(sets(Fact.UNRECORDED),),
        side=True,
    ),
)

ANYWHERE = (
    *_RIGHTS,
    _row("line_heard", None, (_E.PROMPT_DONE,), guard=utterance_heard),
    _row("line_cut", None, (_E.PROMPT_DONE,)),
    _row("echo_hint", None, (_E.ECHO,), _M.HEADPHONES, guard=exactly(2)),
    _row(
        "follow_up_by_model",
        None,
        (_E.FOLLOW_UP,),
        _M.PROBE,
        guard=may_follow_up,
        to=Way.TARGET,
        effects=(follow_up_asked,),
    ),
    _row(
        "noted", None, (_E.OVERLAP, _E.GRAB, _E.ECHO, _E.SECOND_PERSON, _E.PLAN_ENDED, _E.FOLLOW_UP)
    ),
    _row("line_withdrawn", None, (_E.WITHDRAWN,)),
    _row("microphone_lost", None, (_E.NOAUDIO,), _M.MICROPHONE, _M.IN_WRITING, guard=up_to(3)),
    _row("microphone_still_lost", None, (_E.NOAUDIO,)),
    _row(
        "optional_questions_dropped",
        None,
        (_E.BUDGET,),
        guard=optional_left,
        effects=(optional_dropped,),
    ),
    _row("time_is_over", None, (_E.BUDGET,), _M.GOODBYE, to=_P.FAREWELL, effects=(time_ends,)),
    _row("left", None, (_E.LEFT,), effects=(sets(Fact.ABSENT),)),
    _row(
        "returned",
        None,
        (_E.RETURNED,),
        _M.WELCOME_BACK,
        _M.FULL,
        guard=fact(Fact.ABSENT),
        to=Way.AGAIN,
        effects=(sets(Fact.ABSENT, False),),
        side=True,
    ),
    _row("was_never_away", None, (_E.RETURNED,)),
    _row(
        "grace_over",
        None,
        (_E.GRACE_OVER,),
        guard=fact(Fact.ABSENT),
        to=_P.ENDED,
        effects=(ends_as(Outcome.MISSED, "left"),),
    ),
    _row("returned_in_time", None, (_E.GRACE_OVER,)),
    _row(
        "resumed_after_absence",
        None,
        (_E.RESUMED,),
        _M.WELCOME_BACK,
        guard=detail_is(Detail.ABSENCE),
        to=Way.RESUME,
        effects=(reopened,),
    ),
    _row("resumed", None, (_E.RESUMED,), _M.INTERRUPTED, to=Way.RESUME, effects=(reopened,)),
)

#: Rows that are tried before all others.
FIRST = (
    _row(
        "returned_too_often",
        None,
        (_E.RETURNED,),
        _M.GOODBYE,
        guard=both(fact(Fact.ABSENT), since(MOST_RETURNS)),
        to=_P.FAREWELL,
        effects=(ends_as(Outcome.MISSED, "left"),),
    ),
    _row(
        "absent",
        None,
        (_E.NOINPUT, _E.NOMATCH, _E.BABBLE, _E.SOFT, _E.HARD, _E.ECHO, _E.NOAUDIO),
        guard=fact(Fact.ABSENT),
    ),
    Row(
        name="answer_with_request",
        at=None,
        on=(_A.ANSWER,),
        guard=has_request,
        effects=(partly, points_met),
        as_request=True,
    ),
)
