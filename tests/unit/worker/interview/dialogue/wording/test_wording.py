"""What the interviewer says in each situation."""

from __future__ import annotations

import pytest

from tests.support.dialogues import HEARD, happens, say
from tests.support.spoken_dialogues import PLAN, Speaking, at, plan_with
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.wording.lines import lines_of
from worker.interview.dialogue.wording.prompt import WordsBy
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan

LINES = lines_of("en").lines
Q1 = PLAN.questions[0].text
Q1_OPEN = "What was your part in it?"


# The beginning


def test_the_greeting_is_the_opening_and_the_disclosure_which_must_be_heard() -> None:
    prompt = Speaking().hear(happens(Event.PRESENT))
    assert prompt.text == f"Hello, and welcome. {PLAN.disclosure.say}"
    assert prompt.asking == PLAN.disclosure.say
    assert (prompt.prompt, prompt.words_by) == ("line:disclosure", WordsBy.PLAN)


def test_the_consent_question_is_the_one_of_the_plan() -> None:
    dialogue = Speaking()
    dialogue.hear(happens(Event.PRESENT))
    assert dialogue.hear(HEARD).text == PLAN.sound_check
    assert PLAN.consent is not None
    assert dialogue.says(Act.AFFIRM).text == PLAN.consent.ask


def test_a_question_about_the_data_is_answered_before_the_consent_question() -> None:
    dialogue = Speaking()
    dialogue.hear(happens(Event.PRESENT))
    dialogue.hear(HEARD)
    dialogue.says(Act.AFFIRM)
    prompt = dialogue.says(Act.ABOUT_DATA, "Who reads it?")
    assert PLAN.consent is not None
    assert prompt.text == f"Our team does. {PLAN.consent.ask}"
    assert (prompt.asking, prompt.prompt) == (PLAN.consent.ask, "fact:who_reads")


def test_an_utterance_is_written_too_where_the_candidate_cannot_be_heard() -> None:
    prompt = Speaking().hear(happens(Event.NOAUDIO))
    assert (prompt.text, prompt.also_written) == (LINES["microphone"], True)


# Questions of the candidate


def test_a_fact_is_said_with_the_open_sentence_and_named_in_the_record() -> None:
    prompt = at().says(Act.ABOUT_DATA, "Is this recorded?")
    assert prompt.text == f"{PLAN.facts.recorded} {Q1_OPEN}"
    assert (prompt.prompt, prompt.words_by) == ("fact:recorded", WordsBy.FACT)
    assert prompt.asking == Q1_OPEN


def test_a_question_without_a_fact_is_noted() -> None:
    prompt = at().says(Act.ABOUT_DATA, "How long do you keep it?")
    assert prompt.text == f"{LINES['no_more_facts']} {Q1_OPEN}"
    assert prompt.words_by is WordsBy.LINE


def test_an_objection_to_a_recording_is_noted_before_the_fact() -> None:
    prompt = at().says(Act.OBJECT_RECORDING, "Please do not record me.")
    assert prompt.text == f"{LINES['objection_noted']} {PLAN.facts.recorded} {Q1_OPEN}"
    assert prompt.prompt == "fact:recorded"


def test_questions_about_the_job_wait_for_their_time_if_the_plan_has_it() -> None:
    assert at().says(Act.ABOUT_JOB, "What is the salary?").text == (
        f"{LINES['at_the_end']} {Q1_OPEN}"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("What is the salary?", "The salary is in the advertisement."),
        ("How big is the team?", LINES["question_noted"]),
    ],
)
def test_without_that_time_the_fact_is_said_at_once(asked: str, said: str) -> None:
    dialogue = Speaking(plan_with(candidate_questions=None))
    dialogue.until_asked("q1")
    assert dialogue.says(Act.ABOUT_JOB, asked).text == f"{said} {Q1_OPEN}"


@pytest.mark.parametrize(
    ("act", "asked", "said"),
    [
        (Act.ABOUT_JOB, "What is the salary?", "The salary is in the advertisement."),
        (Act.CLARIFY, "Who reads all this?", "Our team does."),
        (Act.ABOUT_JOB, "How big is the team?", LINES["pass_on"]),
        (Act.ABOUT_RESULT, "How did I do?", LINES["no_judgement"]),
    ],
)
def test_after_the_last_question_the_candidate_gets_the_facts(
    act: Act, asked: str, said: str
) -> None:
    dialogue = at("q4")
    dialogue.says(Act.ANSWER, "012 345")
    offer = dialogue.says(Act.AFFIRM, "Yes.")
    assert PLAN.candidate_questions is not None
    assert offer.text == PLAN.candidate_questions.ask
    prompt = dialogue.says(act, asked)
    assert (prompt.text, prompt.asking) == (f"{said} Anything else?", "Anything else?")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("Hello!", "Hello."),
        ("Hi, how are you?", "Thank you for asking."),
        ("Thank you very much.", "You are welcome."),
        ("Sorry about that.", "No problem."),
        ("Lovely weather.", "Thank you."),
    ],
)
def test_a_friendly_word_gets_a_friendly_line(words: str, line: str) -> None:
    assert at().says(Act.SMALL_TALK, words).text == line


# An answer is read back


def test_a_number_is_read_back_and_asked_again_in_the_same_words() -> None:
    dialogue = at("q4")
    prompt = dialogue.says(Act.ANSWER, "It is 012 345.")
    assert prompt.text == "I wrote this down: It is 012 345. Is that right?"
    again = dialogue.hear(say(Act.AFFIRM), "Yes.")  # before the line was heard
    assert again.text == prompt.text


@pytest.mark.parametrize("answer", ["word " * 30, "see www.example.org for it", ""])
def test_an_answer_that_cannot_be_spoken_is_not_read_back(answer: str) -> None:
    assert at("q4").says(Act.ANSWER, answer).text == LINES["read_back_unclear"]


def test_an_answer_is_read_back_without_markup() -> None:
    assert at("q4").says(Act.ANSWER, "**012** <345>").text == (
        "I wrote this down: 012 345. Is that right?"
    )


# The end


@pytest.mark.parametrize(
    ("acts", "kind", "goodbye"),
    [
        ((Act.STOP,), "stop", PLAN.stopped),
        ((Act.POSTPONE,), "postpone", PLAN.postponed),
        ((Act.HUMAN, Act.HUMAN), "human", LINES["goodbye_human"]),
        ((Act.WITHDRAW_CONSENT,), "withdrawn", LINES["goodbye_withdrawn"]),
    ],
)
def test_a_wish_to_end_is_confirmed_and_has_its_own_goodbye(
    acts: tuple[Act, ...], kind: str, goodbye: str
) -> None:
    dialogue = at()
    for act in acts:
        prompt = dialogue.says(act)
    assert prompt.text == LINES[f"confirm_{kind}"]
    assert dialogue.says(Act.AFFIRM).text == goodbye


def test_a_refused_consent_has_the_goodbye_of_the_plan() -> None:
    dialogue = Speaking()
    dialogue.hear(happens(Event.PRESENT))
    dialogue.hear(HEARD)
    dialogue.says(Act.AFFIRM)
    assert dialogue.says(Act.DENY).text == LINES["confirm_consent"]
    dialogue.says(Act.DENY)
    dialogue.says(Act.DENY)
    assert PLAN.consent is not None
    assert dialogue.says(Act.AFFIRM).text == PLAN.consent.refused


def test_a_silent_candidate_hears_the_line_for_that() -> None:
    dialogue = at()
    said = [dialogue.hear(happens(Event.NOINPUT)).text for _ in range(5)]
    assert said == [
        LINES["take_your_time"],
        LINES["repeat_it"],
        LINES["skip_or_type"],
        LINES["are_you_there"],
        PLAN.missed,
    ]


def test_the_end_of_the_time_is_not_told_as_the_end_of_the_questions() -> None:
    dialogue = at("q4")
    assert dialogue.hear(happens(Event.BUDGET)).text == LINES["goodbye_time"]
    dialogue.hear(happens(Event.PROMPT_DONE, share=0.1))
    assert dialogue.prompts[-1].text == LINES["goodbye_time"]


def test_after_all_questions_the_closing_of_the_plan_is_said() -> None:
    dialogue = at("q4")
    dialogue.says(Act.ANSWER, "012 345")
    dialogue.says(Act.AFFIRM, "Yes.")
    assert dialogue.says(Act.DENY, "No.").text == PLAN.closing


def test_without_a_time_for_questions_the_closing_follows_the_last_question() -> None:
    dialogue = Speaking(plan_with(candidate_questions=None))
    dialogue.until_asked("q4")
    dialogue.says(Act.ANSWER, "012 345")
    assert dialogue.says(Act.AFFIRM, "Yes.").text == PLAN.closing


# A return, and plans without the newer keys


def test_a_new_interviewer_says_why_and_asks_in_full() -> None:
    dialogue = at()
    dialogue.hear(happens(Event.LEFT))
    assert dialogue.hear(happens(Event.RETURNED)).text == f"{LINES['welcome_back']} {Q1}"
    resumed = dialogue.hear(happens(Event.RESUMED, Detail.CRASH))
    assert resumed.text == f"{LINES['interrupted']} {Q1}"
    assert resumed.asking == Q1


def test_nothing_is_said_where_nothing_was_decided() -> None:
    prompt = at().hear(say(Act.STALL), "Hm, let me think.")
    assert (prompt.text, prompt.prompt, prompt.words_by) == ("", "", None)


def test_a_plan_of_today_has_words_for_all_that_it_needs() -> None:
    plan = load_plan(SAMPLE_PLAN)
    dialogue = Speaking(plan)
    dialogue.hear(happens(Event.PRESENT))
    assert dialogue.prompts[-1].text == f"{plan.opening.strip()} {plan.questions[0].text.strip()}"
    dialogue.hear(HEARD)
    assert dialogue.says(Act.ANSWER, "words", 3).text == plan.questions[0].follow_ups[0]
