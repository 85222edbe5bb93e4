"""Rows of the phases before the first question: ARRIVING, GREETING, SOUND_CHECK, CONSENT."""

from __future__ import annotations

from worker.interview.dialogue.acts import FACT_ACTS, ORDINARY, Act
from worker.interview.dialogue.effects import adds, disclosed, ends_as, sets
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.guards import begins_at_once, line_heard, up_to, utterance_heard
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Outcome, Phase
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.state import Fact

_A, _E, _M, _P = Act, Event, Move, Phase

_ARRIVING = (
    Row(
        name="arrives_at_the_first_question",
        at=_P.ARRIVING,
        on=(_E.PRESENT, _E.RETURNED),
        guard=begins_at_once,
        moves=(_M.GREET, _M.NEXT),
        to=Way.NEXT,
    ),
    Row(
        name="arrives",
        at=_P.ARRIVING,
        on=(_E.PRESENT, _E.RETURNED),
        moves=(_M.GREET, _M.DISCLOSE),
        to=_P.GREETING,
    ),
    Row(
        name="arrives_without_sound",
        at=_P.ARRIVING,
        on=(_E.NOAUDIO,),
        guard=up_to(3),
        moves=(_M.MICROPHONE, _M.IN_WRITING),
    ),
    Row(
        name="greeted_in_writing",
        at=_P.ARRIVING,
        on=(_E.NOAUDIO,),
        moves=(_M.GREET, _M.DISCLOSE, _M.CHECK_SOUND, _M.IN_WRITING),
        to=_P.SOUND_CHECK,
        effects=(disclosed, sets(Fact.WRITTEN)),
    ),
    Row(
        name="never_came",
        at=_P.ARRIVING,
        on=(_E.WINDOW_OVER,),
        to=_P.ENDED,
        effects=(ends_as(Outcome.MISSED, "left"),),
    ),
)

#: The disclosure is delivered in writing, and the interview goes on.
_WRITTEN = (_M.DISCLOSE, _M.CHECK_SOUND, _M.IN_WRITING)

_GREETING = (
    Row(
        name="disclosure_heard",
        at=_P.GREETING,
        on=(_E.PROMPT_DONE,),
        guard=utterance_heard,
        moves=(_M.CHECK_SOUND,),
        to=_P.SOUND_CHECK,
        effects=(disclosed,),
    ),
    Row(
        name="disclosure_cut",
        at=_P.GREETING,
        on=(_E.PROMPT_DONE,),
        guard=up_to(2, "greeting"),
        moves=(_M.DISCLOSE,),
        counter="greeting",
    ),
    Row(
        name="disclosure_written",
        at=_P.GREETING,
        on=(_E.PROMPT_DONE,),
        moves=_WRITTEN,
        to=_P.SOUND_CHECK,
        effects=(disclosed, sets(Fact.WRITTEN)),
    ),
    Row(
        name="greeting_not_heard",
        at=_P.GREETING,
        on=(_A.CANNOT_HEAR, _A.REPEAT, _A.PACE),
        guard=up_to(3, "greeting"),
        moves=(_M.DISCLOSE,),
        counter="greeting",
    ),
    Row(
        name="greeting_wait",
        at=_P.GREETING,
        on=(_A.WAIT,),
        guard=up_to(3, "greeting"),
        moves=(_M.TAKE_YOUR_TIME,),
        to=(_P.WAITING, Kind.THINK),
        counter="greeting",
    ),
    Row(
        name="greeting_written",
        at=_P.GREETING,
        on=(_A.CANNOT_HEAR, _A.REPEAT, _A.PACE, _A.WAIT),
        moves=_WRITTEN,
        to=_P.SOUND_CHECK,
        effects=(disclosed, sets(Fact.WRITTEN)),
    ),
    # The disclosure goes on: only the acts above and those of every phase interrupt it.
    Row(name="greeting_social", at=_P.GREETING, on=ORDINARY),
)

_SOUND_CHECK = (
    Row(
        name="sound_bad",
        at=_P.SOUND_CHECK,
        on=(_A.DENY, _A.CANNOT_HEAR, _A.REPEAT),
        guard=up_to(3, "sound_check"),
        moves=(_M.HEARING_HELP, _M.CHECK_SOUND),
        counter="sound_check",
    ),
    Row(
        name="sound_stays_bad",
        at=_P.SOUND_CHECK,
        on=(_A.DENY, _A.CANNOT_HEAR, _A.REPEAT),
        moves=(_M.NEXT, _M.IN_WRITING),
        to=Way.NEXT,
        effects=(sets(Fact.WRITTEN),),
    ),
    # A candidate who asks a question hears the interviewer.
    Row(
        name="sound_question",
        at=_P.SOUND_CHECK,
        on=(*FACT_ACTS, _A.ABOUT_JOB, _A.ABOUT_RESULT),
        moves=(_M.FACT, _M.NEXT),
        to=Way.NEXT,
    ),
    Row(
        name="sound_good",
        at=_P.SOUND_CHECK,
        on=(*ORDINARY, _E.NOMATCH),
        moves=(_M.NEXT,),
        to=Way.NEXT,
    ),
    Row(
        name="sound_check_silent",
        at=_P.SOUND_CHECK,
        on=(_E.NOINPUT,),
        guard=up_to(1, "sound_silence"),
        moves=(_M.CHECK_SOUND,),
        counter="sound_silence",
    ),
    Row(
        name="sound_check_silent_again",
        at=_P.SOUND_CHECK,
        on=(_E.NOINPUT,),
        guard=up_to(2, "sound_silence"),
        moves=(_M.MICROPHONE,),
        counter="sound_silence",
    ),
    Row(
        name="sound_check_silent_to_the_end",
        at=_P.SOUND_CHECK,
        on=(_E.NOINPUT,),
        moves=(_M.NEXT, _M.IN_WRITING),
        to=Way.NEXT,
        effects=(sets(Fact.WRITTEN),),
        counter="sound_silence",
    ),
)

#: Without consent there is no interview: the end is confirmed.
_NO_CONSENT = (_P.CONFIRMING_END, Kind.CONSENT)

_CONSENT = (
    Row(
        name="consent_given",
        at=_P.CONSENT,
        on=(_A.AFFIRM,),
        guard=line_heard,
        moves=(_M.NEXT,),
        to=Way.NEXT,
        effects=(sets(Fact.CONSENT, "yes"),),
    ),
    Row(
        name="consent_denied",
        at=_P.CONSENT,
        on=(_A.DENY,),
        guard=line_heard,
        moves=(_M.CONFIRM_END,),
        to=_NO_CONSENT,
    ),
    Row(
        name="consent_stop",
        at=_P.CONSENT,
        on=(_A.STOP, _A.WITHDRAW_CONSENT),
        moves=(_M.CONFIRM_END,),
        to=_NO_CONSENT,
        effects=(adds("STOP"),),
    ),
    Row(
        name="consent_question",
        at=_P.CONSENT,
        on=(_A.ABOUT_YOU, _A.ABOUT_DATA, _A.ABOUT_TIME, _A.ABOUT_JOB, _A.ABOUT_RESULT, _A.HUMAN),
        guard=up_to(4, "consent"),
        moves=(_M.FACT, _M.ASK_CONSENT),
        counter="consent",
    ),
    Row(
        name="consent_repeated",
        at=_P.CONSENT,
        on=(_A.REPEAT, _A.CANNOT_HEAR, _A.NOT_UNDERSTOOD, _A.REPHRASE, _A.CLARIFY, _A.PACE),
        guard=up_to(4, "consent"),
        moves=(_M.ASK_CONSENT,),
        counter="consent",
    ),
    Row(
        name="consent_unclear",
        at=_P.CONSENT,
        on=(*ORDINARY, _E.NOINPUT, _E.NOMATCH),
        guard=up_to(2, "consent_unclear"),
        moves=(_M.ASK_CONSENT,),
        counter="consent_unclear",
    ),
    Row(
        name="consent_not_given",
        at=_P.CONSENT,
        on=(*ORDINARY, _E.NOINPUT, _E.NOMATCH),
        moves=(_M.CONFIRM_END,),
        to=_NO_CONSENT,
    ),
)

BEGINNING = (*_ARRIVING, *_GREETING, *_SOUND_CHECK, *_CONSENT)
