"""What the interviewer says in each situation."""

from __future__ import annotations

import pytest

from tests.support.dialogues import HEARD, happens, say
from tests.support.spoken_dialogues import PLAN, Speaking, plan_with
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.wording.lines import lines_of
from worker.interview.dialogue.wording.prompt import WordsBy
from worker.interview.dialogue.wording.wording import words_of
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan

LINES = lines_of("en").lines
Q1, Q2, Q3, Q4 = (question.text for question in PLAN.questions)
Q1_PROBES = PLAN.questions[0].follow_ups
Q1_OPEN = "What was your part in it?"


def at(question: str = "q1") -> Speaking:
    """Return a dialogue in which a question was heard."""
    dialogue = Speaking()
    dialogue.until_asked(question)
    dialogue.hear(HEARD)
    return dialogue


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


# Questions


def test_a_question_comes_verbatim_after_an_acknowledgement_and_only_it_must_be_heard() -> None:
    prompt = Speaking().until_asked("q2")
    assert prompt.text.endswith(f". {Q2}") or prompt.text.endswith(f", thank you. {Q2}")
    assert prompt.asking == Q2
    assert (prompt.prompt, prompt.words_by) == ("question:q2", WordsBy.PLAN)
    assert not prompt.slower


def test_the_same_acknowledgement_never_comes_twice_in_a_row() -> None:
    said = []
    for seq in range(1, 40):
        dialogue = at("q2")
        given = say(Act.ANSWER)
        step = dialogue.give(given)
        words = words_of(step, dialogue.state, PLAN, given=given, spoken=dialogue.spoken, seq=seq)
        said.append(words.parts[0].text)
        assert words.parts[0].text != dialogue.spoken.acknowledged
    assert len(set(said)) > 1


def test_follow_ups_come_in_order_and_are_repeated_in_their_own_words() -> None:
    dialogue = at()
    first = dialogue.says(Act.ANSWER, "It was small.", 3)
    assert (first.text, first.prompt) == (Q1_PROBES[0], "probe:q1/1")
    assert dialogue.says(Act.REPEAT, "What was the question?").text == Q1_PROBES[0]
    assert dialogue.says(Act.SMALL_TALK).prompt == "line:other"
    assert dialogue.says(Act.ABOUT_YOU).asking == "What was hard?"
    second = dialogue.says(Act.ANSWER, "Nothing.", 3)
    assert (second.text, second.prompt) == (Q1_PROBES[1], "probe:q1/2")
    assert dialogue.says(Act.PACE, "Slower, please.").text == Q1_PROBES[1]


def test_a_probe_asks_for_the_first_point_that_is_missing() -> None:
    points = [
        {"id": "size", "text": "size", "probe": "How large was it?"},
        {"id": "end", "text": "end", "probe": "How did it end?"},
    ]
    questions = [{"id": "q1", "text": "What have you built?", "points": points}]
    dialogue = Speaking(plan_with(questions=questions))
    dialogue.until_asked("q1")
    dialogue.heard()
    prompt = dialogue.says(Act.ANSWER, "A large tool.", points=("size",))
    assert (prompt.text, prompt.prompt) == ("How did it end?", "probe:q1/end")
    # The point is met beside the request, but the open question stays the same.
    again = dialogue.says(Act.ANSWER, "It went well. Sorry?", 4, also=Act.REPEAT, points=("end",))
    assert again.asking == "How did it end?"


def test_a_probe_that_was_withdrawn_in_vain_is_said_again() -> None:
    dialogue = at()
    dialogue.says(Act.ANSWER, "It was small.", 3)
    dialogue.hear(happens(Event.WITHDRAWN))
    assert dialogue.hear(happens(Event.WITHDRAWN_IN_VAIN)).text == Q1_PROBES[0]


def test_after_a_withdrawn_probe_the_question_is_open_and_the_same_probe_is_next() -> None:
    dialogue = at()
    dialogue.says(Act.ANSWER, "It was small.", 3)
    dialogue.hear(happens(Event.WITHDRAWN))
    assert dialogue.says(Act.REPEAT, "The question?").text == Q1
    assert dialogue.says(Act.ANSWER, "And short.", 2).text == Q1_PROBES[0]


def test_only_the_open_sentence_is_said_after_an_answer_to_the_candidate() -> None:
    prompt = at().says(Act.ABOUT_RESULT, "How am I doing?")
    assert prompt.text == f"{LINES['no_judgement']} {Q1_OPEN}"
    assert (prompt.asking, prompt.prompt) == (Q1_OPEN, "line:no_judgement")


def test_after_a_long_answer_over_the_question_only_the_rest_is_said() -> None:
    dialogue = Speaking()
    dialogue.until_asked("q1")
    prompt = dialogue.hear(say(Act.ANSWER, 12, share=0.7), "words")
    assert (prompt.text, prompt.prompt) == (Q1_OPEN, "question:q1")


def put_off() -> Speaking:
    """Return a dialogue in which the first question was put off, and is asked again at the end."""
    dialogue = at()
    assert dialogue.says(Act.LATER).text == f"{LINES['come_back']} {Q2}"
    dialogue.says(Act.ANSWER, "words")
    dialogue.says(Act.SKIP)
    dialogue.says(Act.ANSWER, "012 345")
    dialogue.says(Act.AFFIRM, "Yes.")
    return dialogue


def test_a_question_that_was_put_off_is_announced_when_it_comes_again() -> None:
    prompt = put_off().prompts[-1]
    assert prompt.text == f"{LINES['deferred']} {Q1}"
    assert prompt.asking == Q1


def test_a_question_that_came_to_nothing_is_tried_again_in_other_words_than_one_put_off() -> None:
    dialogue = at()
    acts = (*[Act.PACE] * 3, *[Act.WAIT] * 2, *[Act.REPEAT] * 2, Act.CANNOT_HEAR, *[Act.PACE] * 2)
    for act in acts:
        prompt = dialogue.says(act)
    assert prompt.text == Q2
    for answer in ("words", "words", "012 345"):
        dialogue.says(Act.ANSWER, answer)
    assert dialogue.says(Act.AFFIRM, "Yes.").text == f"{LINES['once_more']} {Q1}"


# Repetitions


def test_the_question_alone_is_repeated_if_the_candidate_names_it() -> None:
    dialogue = at("q2")
    assert dialogue.says(Act.REPEAT, "Could you repeat the question?").text == Q2


def test_all_that_was_said_since_the_last_turn_is_repeated_otherwise() -> None:
    dialogue = at("q2")
    said = dialogue.prompts[-2].text
    assert said != Q2
    prompt = dialogue.says(Act.REPEAT, "Sorry?")
    assert prompt.text == said
    assert (prompt.asking, prompt.prompt) == (Q2, "question:q2")


def test_a_line_between_is_repeated_before_the_question() -> None:
    dialogue = at("q2")
    said = dialogue.prompts[-2].text.removesuffix(Q2)
    dialogue.hear(happens(Event.NOINPUT))
    prompt = dialogue.says(Act.REPEAT, "Pardon?")
    assert prompt.text == f"{said}{LINES['take_your_time']} {Q2}"


def test_a_withdrawn_utterance_is_not_repeated() -> None:
    dialogue = at()
    dialogue.says(Act.ANSWER, "words")
    dialogue.hear(happens(Event.WITHDRAWN))
    assert dialogue.says(Act.REPEAT, "Sorry?").text == Q1


def test_a_fact_is_repeated_with_the_whole_question() -> None:
    dialogue = at()
    fact = dialogue.says(Act.ABOUT_YOU, "Are you a robot?")
    prompt = dialogue.says(Act.REPEAT, "What did you say?")
    assert fact.text == f"{PLAN.facts.about_you} {Q1_OPEN}"
    assert prompt.text == f"{PLAN.facts.about_you} {Q1}"


def test_the_second_repetition_is_slower_and_written_and_the_third_is_another_wording() -> None:
    dialogue = at("q2")
    dialogue.says(Act.REPEAT, "The question?")
    second = dialogue.says(Act.REPEAT, "The question?")
    assert (second.text, second.slower, second.also_written) == (Q2, True, True)
    third = dialogue.says(Act.REPEAT, "The question?")
    assert (third.text, third.prompt) == (PLAN.questions[1].rephrased[0], "rephrasing:q2/1")
    assert (third.slower, third.also_written) == (False, False)


def test_all_is_slower_from_the_wish_for_it_on() -> None:
    dialogue = at()
    assert dialogue.says(Act.PACE, "Slower, please.").slower
    assert dialogue.says(Act.ANSWER, "words").slower


# Help


def test_a_clarification_is_chosen_by_the_candidates_words() -> None:
    dialogue = at("q2")
    prompt = dialogue.says(Act.CLARIFY, "Which product?")
    assert prompt.text == f"Any product counts. {Q2}"
    assert (prompt.prompt, prompt.words_by) == ("clarification:q2/1", WordsBy.PLAN)
    other = dialogue.says(Act.CLARIFY, "At work?")
    assert other.prompt == "clarification:q2/2"


def test_without_a_clarification_that_fits_the_candidate_decides() -> None:
    prompt = at("q2").says(Act.CLARIFY, "Which one?")
    assert prompt.text == f"{LINES['as_you_understand']} {Q2}"
    assert prompt.words_by is WordsBy.LINE


def test_a_later_time_is_offered_only_where_there_is_one() -> None:
    offers = []
    for dialogue in (at("q1"), at("q3"), put_off()):
        for _ in range(4):
            prompt = dialogue.says(Act.WAIT)
        offers.append(prompt.text)
    assert offers == [LINES["skip_or_later"], LINES["skip_it"], LINES["skip_it"]]


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
    dialogue.hear(HEARD)
    assert dialogue.says(Act.AFFIRM).text == plan.questions[0].text
    assert dialogue.says(Act.ANSWER, "words", 3).text == plan.questions[0].follow_ups[0]
