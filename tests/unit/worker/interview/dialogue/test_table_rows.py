"""Each row of the dialogue's table is taken by a short dialogue, and leads to its place."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import pytest

from tests.support.dialogues import HEARD, TODAY, Driven, happens, say
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.plan_view import QuestionView
from worker.interview.dialogue.table import ROWS

#: A plan without anything before the first question, for which a model may ask a follow-up.
AT_ONCE: Final = replace(
    TODAY, begins_at_once=True, questions=(QuestionView(id="q1", follow_ups_allowed=1),)
)
#: How each start is reached: another start, and the inputs after it.
STARTS: Final = {
    "new": ("", ""),
    "greeting": ("new", "present"),
    "check": ("greeting", "heard"),
    "consent": ("check", "AFFIRM heard"),
    "refusing": ("consent", "DENY heard"),
    "ask1": ("consent", "AFFIRM"),
    "q1": ("ask1", "heard"),
    "ask2": ("q1", "ANSWER"),
    "q2": ("ask2", "heard"),
    "q3": ("q2", "AFFIRM heard"),
    "q4": ("q3", "ANSWER heard"),
    "readback": ("q4", "ANSWER heard"),
    "last": ("readback", "AFFIRM heard"),
    "bye": ("last", "DENY"),
    "waiting": ("q2", "WAIT heard"),
    "stop": ("q2", "STOP heard"),
    "at_once": ("", ""),
    "today": ("", "present heard AFFIRM heard"),
}

#: `row: start, inputs -> the place after`. A turn is written in capitals.
PATHS: Final = """
returned_too_often: greeting away*20 -> FAREWELL
absent: q1 left noinput -> LISTENING:q1
answer_with_request: q1 ANSWER+ABOUT_TIME -> LISTENING:q1
arrives_at_the_first_question: at_once present -> ASKING:q1
arrives: new present -> GREETING
arrives_without_sound: new noaudio -> ARRIVING
greeted_in_writing: new noaudio*4 -> SOUND_CHECK
never_came: new window_over -> ENDED(missed)
disclosure_heard: greeting prompt_done@0.9 -> SOUND_CHECK
disclosure_cut: greeting prompt_done@0.8 -> GREETING
disclosure_written: greeting prompt_done@0.8*3 -> SOUND_CHECK
greeting_not_heard: greeting CANNOT_HEAR -> GREETING
greeting_wait: greeting WAIT -> WAITING(think)
greeting_written: greeting CANNOT_HEAR*4 -> SOUND_CHECK
greeting_social: greeting SMALL_TALK -> GREETING
sound_bad: check DENY -> SOUND_CHECK
sound_stays_bad: check DENY*4 -> CONSENT
sound_good: check SMALL_TALK -> CONSENT
sound_check_silent: check noinput -> SOUND_CHECK
sound_check_silent_again: check noinput*2 -> SOUND_CHECK
sound_check_silent_to_the_end: check noinput*3 -> CONSENT
consent_given: consent AFFIRM -> ASKING:q1
consent_denied: consent DENY -> CONFIRMING_END(consent)
consent_stop: consent STOP -> CONFIRMING_END(consent)
consent_question: consent ABOUT_DATA -> CONSENT
consent_repeated: consent REPEAT -> CONSENT
consent_unclear: consent noinput -> CONSENT
consent_not_given: consent noinput*3 -> CONFIRMING_END(consent)
prompt_heard: ask1 prompt_done@0.8 -> LISTENING:q1
prompt_cut: ask1 prompt_done/cut@0.5 -> ASKING:q1
prompt_unheard: ask1 prompt_done/unheard@0.5 -> ASKING:q1
prompt_given_up: ask1 prompt_done@0.1*5 -> ASKING:q2
too_many_prompts_unheard: ask1 prompt_done@0.1*15 -> FAREWELL
acts_after_a_heard_prompt: ask1 ANSWER@0.9 -> ASKING:q2
answer_goes_on: q2 LATER ANSWER@0.2 -> LISTENING:q2
undo: q3 SKIP GO_BACK@0.2 -> LISTENING:q3
answer_over_half: ask1 ANSWER@0.6 -> ASKING:q1
let_me_finish: ask1 ANSWER@0.2*3 -> ASKING:q1
act_over_the_prompt: ask1 SKIP@0.6 -> ASKING:q1
withdrawn: ask2 withdrawn -> LISTENING:q1
withdrawn_too_often: ask1 withdrawn -> ASKING:q1
answer_cut: q1 ANSWER/cut -> LISTENING:q1
follow_up_by_model: at_once present heard ANSWER follow_up -> ASKING:q1
encourage: q1 ANSWER2 -> LISTENING:q1
probe: q1 ANSWER5 -> ASKING:q1
read_back: q4 ANSWER -> CLARIFYING:q4(readback)
answered: q1 ANSWER -> ASKING:q2
done: q1 ANSWER2 DONE -> ASKING:q2
done_without_words: q1 DONE -> LISTENING:q1
yes_is_the_answer: q2 AFFIRM -> ASKING:q3
no_is_the_answer: q2 DENY -> ASKING:q3
yes: q1 AFFIRM -> LISTENING:q1
no_more: q1 ANSWER2 DENY -> ASKING:q2
no_as_no_answer: q1 DENY -> LISTENING:q1
no_more_to_say: q1 ANSWER2 NO_ANSWER -> ASKING:q2
no_answer: q1 NO_ANSWER -> LISTENING:q1
no_answer_again: q1 NO_ANSWER*2 -> ASKING:q2
stall: q1 STALL -> LISTENING:q1
ready: q1 READY -> LISTENING:q1
wait: q1 WAIT -> WAITING:q1(think)
wait_too_often: q1 WAIT*4 -> CLARIFYING:q1(skip)
repeat: q1 REPEAT -> LISTENING:q1
repeat_slower: q1 REPEAT*2 -> LISTENING:q1
repeat_rephrased: q2 REPEAT*3 -> LISTENING:q2
repeat_again: q1 REPEAT*3 -> LISTENING:q1
repeat_too_often: q1 REPEAT*4 -> CLARIFYING:q1(skip)
not_understood_rephrased: q2 NOT_UNDERSTOOD -> LISTENING:q2
not_understood: q1 NOT_UNDERSTOOD -> LISTENING:q1
not_understood_too_often: q1 NOT_UNDERSTOOD*4 -> LISTENING:q1
rephrase_rephrased: q2 REPHRASE -> LISTENING:q2
rephrase: q1 REPHRASE -> LISTENING:q1
rephrase_too_often: q1 REPHRASE*4 -> LISTENING:q1
clarify: q2 CLARIFY -> LISTENING:q2
clarify_unplanned: q1 CLARIFY -> LISTENING:q1
clarify_too_often: q1 CLARIFY*4 -> LISTENING:q1
skip_after_words: q1 ANSWER2 SKIP -> ASKING:q2
skip: q3 SKIP -> ASKING:q4
skip_again: q1 SKIP heard SKIP -> ASKING:q2
skip_mandatory: q1 SKIP -> CLARIFYING:q1(skip)
later: q1 LATER -> ASKING:q2
later_as_skip: q3 LATER -> ASKING:q4
go_back: q2 GO_BACK -> LISTENING:q1
go_back_impossible: q1 GO_BACK -> LISTENING:q1
distress: q1 DISTRESS -> CLARIFYING:q1(pause)
cannot_hear: q1 CANNOT_HEAR -> LISTENING:q1
cannot_hear_written: q1 CANNOT_HEAR*2 -> LISTENING:q1
cannot_hear_again: q1 CANNOT_HEAR*3 -> LISTENING:q1
pace: q1 PACE -> LISTENING:q1
pace_at_its_limit: q1 PACE*4 -> LISTENING:q1
fact_about_you: q1 ABOUT_YOU -> LISTENING:q1
no_more_about_you: q1 ABOUT_YOU*4 -> LISTENING:q1
fact_about_data: q1 ABOUT_DATA -> LISTENING:q1
no_more_about_data: q1 ABOUT_DATA*4 -> LISTENING:q1
fact_about_time: q1 ABOUT_TIME -> LISTENING:q1
no_more_about_time: q1 ABOUT_TIME*4 -> LISTENING:q1
about_job: q1 ABOUT_JOB -> LISTENING:q1
about_result: q1 ABOUT_RESULT -> LISTENING:q1
small_talk: q1 SMALL_TALK -> LISTENING:q1
small_talk_again: q1 SMALL_TALK*3 -> LISTENING:q1
silence_1: q1 noinput -> LISTENING:q1
silence_2: q1 noinput*2 -> CLARIFYING:q1(repeat)
silence_3: q1 noinput*3 -> CLARIFYING:q1(skip)
silence_4: q1 noinput*4 -> CLARIFYING:q1(there)
silence_5: q1 noinput*5 -> FAREWELL
another_language: q1 nomatch/language -> CLARIFYING:q1(language)
nomatch_1: q1 nomatch -> LISTENING:q1
nomatch_2: q1 nomatch*2 -> LISTENING:q1
nomatch_3: q1 nomatch*3 -> LISTENING:q1
nomatch_4: q1 nomatch*4 -> ASKING:q2
babble_1: q1 babble -> LISTENING:q1
babble_2: q1 babble*2 -> LISTENING:q1
babble_goes_on: q1 babble*3 -> LISTENING:q1
said_again_after_a_false_withdrawal: ask2 withdrawn withdrawn_in_vain -> ASKING:q2
nothing_was_withdrawn: q1 withdrawn_in_vain -> LISTENING:q1
soft_time: q1 ANSWER2 soft -> ASKING:q2
hard_time: q1 ANSWER2 hard -> ASKING:q2
soft_without_words: q1 soft -> LISTENING:q1
hard_without_words: q1 hard -> ASKING:q2
waiting_over: waiting READY -> LISTENING:q2
waiting_stall: waiting STALL -> WAITING:q2(think)
waiting_silent: waiting noinput -> CLARIFYING:q2(ready)
own_question_not_heard: q1 SKIP AFFIRM -> CLARIFYING:q1(skip)
repeat_yes: q1 noinput*2 heard AFFIRM -> LISTENING:q1
repeat_no: q1 noinput*2 heard DENY -> LISTENING:q1
skip_yes: q1 SKIP heard AFFIRM -> ASKING:q2
skip_no: q1 SKIP heard DENY -> LISTENING:q1
there_yes: q1 noinput*4 heard AFFIRM -> LISTENING:q1
there_no: q1 noinput*4 heard DENY -> LISTENING:q1
ready_yes: waiting noinput heard AFFIRM -> LISTENING:q2
ready_no: waiting noinput heard DENY -> WAITING:q2(think)
pause_yes: q1 DISTRESS heard AFFIRM -> WAITING:q1(break)
pause_no: q1 DISTRESS heard DENY -> LISTENING:q1
language_yes: q1 nomatch/language heard AFFIRM -> LISTENING:q1
language_no: q1 nomatch/language heard DENY -> LISTENING:q1
readback_yes: readback AFFIRM -> CANDIDATE_QUESTIONS
readback_no: readback DENY -> LISTENING:q4
own_question_unclear: q1 SKIP ANSWER2 -> CLARIFYING:q1(skip)
skip_left_open: q1 SKIP ANSWER2*2 -> LISTENING:q1
own_question_left_open: q1 DISTRESS ANSWER2*2 -> LISTENING:q1
own_question_silent: greeting WAIT noinput*2 -> CLARIFYING(ready)
own_question_silent_to_the_end: greeting WAIT noinput*4 -> FAREWELL
end_confirmed: stop AFFIRM -> FAREWELL
end_question_not_heard: q1 STOP AFFIRM -> CONFIRMING_END(stop)
end_confirmed_in_writing: q1 STOP AFFIRM*3 -> FAREWELL
end_wished_again: q1 STOP*2 -> FAREWELL
postponed_instead: stop POSTPONE -> FAREWELL
consent_asked_again: refusing DENY -> CONSENT
consent_refused: refusing DENY DENY*3 DENY -> FAREWELL
end_not_confirmed: stop DENY -> LISTENING:q2
end_unanswered: stop noinput -> CONFIRMING_END(stop)
end_unanswered_to_the_end: stop noinput*2 -> FAREWELL
returned_to_the_end: stop left returned -> CONFIRMING_END(stop)
candidate_asks: last ABOUT_JOB -> CANDIDATE_QUESTIONS
candidate_adds: last ANSWER -> CANDIDATE_QUESTIONS
candidate_may_ask: last AFFIRM -> CANDIDATE_QUESTIONS
candidate_hears_it_again: last REPEAT -> CANDIDATE_QUESTIONS
candidate_thinks: last STALL -> CANDIDATE_QUESTIONS
candidate_has_no_questions: last DENY -> FAREWELL
candidate_silent: last noinput -> CANDIDATE_QUESTIONS
candidate_silent_again: last noinput*2 -> FAREWELL
goodbye_heard: bye heard -> FAREWELL
goodbye_again: bye prompt_done@0.1 -> FAREWELL
goodbye_written: bye prompt_done@0.1*3 -> FAREWELL
goodbye_left_at_that: bye prompt_done@0.1*4 -> FAREWELL
farewell_question: bye ABOUT_DATA -> FAREWELL
farewell_addition: bye ANSWER -> FAREWELL
farewell_social: bye SMALL_TALK -> FAREWELL
farewell_goes_on: bye SMALL_TALK*2 -> FAREWELL
ended: bye quiet -> ENDED(completed)
farewell_noted: bye budget -> FAREWELL
interview_reopened: stop POSTPONE quiet resumed/absence -> ASKING:q2
resumed_after_the_end: bye quiet resumed -> ENDED(completed)
stop_insisted: q1 STOP DENY STOP DENY STOP -> FAREWELL
stop: q1 STOP -> CONFIRMING_END(stop)
postpone_insisted: q1 POSTPONE DENY POSTPONE DENY POSTPONE -> FAREWELL
postpone: q1 POSTPONE -> CONFIRMING_END(postpone)
human: q1 HUMAN -> LISTENING:q1
human_insisted: q1 HUMAN*2 DENY HUMAN DENY HUMAN -> FAREWELL
human_again: q1 HUMAN*2 -> CONFIRMING_END(human)
withdrawal_insisted: q1 WITHDRAW_CONSENT DENY WITHDRAW_CONSENT DENY WITHDRAW_CONSENT -> FAREWELL
consent_withdrawn: q1 WITHDRAW_CONSENT -> CONFIRMING_END(withdrawn)
recording_objected: q1 OBJECT_RECORDING -> LISTENING:q1
recording_objected_again: greeting OBJECT_RECORDING*4 -> GREETING
line_heard: q1 REPEAT heard -> LISTENING:q1
line_cut: q1 REPEAT prompt_done/cut@0.1 -> LISTENING:q1
echo_hint: q1 echo*2 -> LISTENING:q1
noted: q1 overlap -> LISTENING:q1
line_withdrawn: q1 withdrawn -> LISTENING:q1
microphone_lost: q1 noaudio -> LISTENING:q1
microphone_still_lost: q1 noaudio*4 -> LISTENING:q1
optional_questions_dropped: q1 budget -> LISTENING:q1
time_is_over: q1 budget*2 -> FAREWELL
left: q1 left -> LISTENING:q1
returned: q1 left returned -> ASKING:q1
was_never_away: q1 returned -> LISTENING:q1
grace_over: q1 left grace_over -> ENDED(missed)
returned_in_time: q1 grace_over -> LISTENING:q1
resumed_after_absence: q1 resumed/absence -> ASKING:q1
resumed: waiting resumed/crash -> ASKING:q2
another_time: q1 PACE*3 WAIT*2 REPEAT*2 HUMAN LATER heard PACE REPEAT*3 -> CONFIRMING_END(postpone)
side_moves_offer_skip: q1 PACE*3 WAIT*2 REPEAT*2 CANNOT_HEAR -> CLARIFYING:q1(skip)
side_moves_go_on: q1 PACE*3 WAIT*2 REPEAT*2 CANNOT_HEAR PACE PACE -> ASKING:q2
too_many_questions_cut: ask1 ANSWER@0.1*15 -> FAREWELL
prompt_cut_too_often: ask1 ANSWER@0.1*5 -> ASKING:q2
"""

LINES: Final = dict(line.split(": ", 1) for line in PATHS.strip().splitlines())
TOKEN: Final = re.compile(
    r"(?P<name>[A-Za-z_]+?)(?P<words>\d+)?(?:\+(?P<also>[A-Z_]+))?(?:/(?P<detail>\w+))?"
    r"(?:@(?P<share>[\d.]+))?(?:\*(?P<times>\d+))?"
)


def inputs(text: str) -> list[Input]:
    """Return the inputs that a text such as `ANSWER2@0.5 noinput*3` stands for."""
    found: list[Input] = []
    for token in text.split():
        match = TOKEN.fullmatch(token)
        assert match, token
        found += one(match) * int(match["times"] or 1)
    return found


def one(match: re.Match[str]) -> list[Input]:
    name, share = match["name"], float(match["share"] or 1.0)
    if name == "heard":
        return [HEARD]
    if name == "away":
        return [happens(Event.LEFT), happens(Event.RETURNED)]
    if name.isupper():
        words = int(match["words"]) if match["words"] else None
        also = Act(match["also"]) if match["also"] else None
        # Without a share, the turn began after the line, which counts only in ASKING.
        heard = share if match["share"] else 0.0
        return [say(Act(name), words, also=also, share=heard, cut=match["detail"] == "cut")]
    detail = Detail(match["detail"]) if match["detail"] else None
    return [happens(Event(name), detail, share)]


def at(start: str) -> Driven:
    """Return a dialogue that has come to a start of `STARTS`."""
    if not start:
        return Driven()
    if start == "at_once":
        return Driven(AT_ONCE)
    before, text = STARTS[start]
    driven = Driven(TODAY) if start == "today" else at(before)
    for each in inputs(text):
        driven.give(each)
    return driven


@pytest.mark.parametrize("name", LINES)
def test_a_row_is_taken_and_leads_to_its_place(name: str) -> None:
    path, place = LINES[name].split(" -> ")
    start, _, text = path.partition(" ")
    driven = at(start)
    step = driven.give(*inputs(text))
    assert (name in step.rows, driven.place) == (True, place), (step.rows, driven.place)


def test_each_row_has_such_a_dialogue() -> None:
    assert set(LINES) == {row.name for row in ROWS}
