"""How the questions of the plan are asked, repeated and explained."""

from __future__ import annotations

from tests.support.dialogues import happens, say
from tests.support.spoken_dialogues import PLAN, Speaking, at, plan_with
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.wording.lines import lines_of
from worker.interview.dialogue.wording.prompt import WordsBy
from worker.interview.dialogue.wording.wording import words_of

LINES = lines_of("en").lines
Q1, Q2 = (question.text for question in PLAN.questions[:2])
Q1_PROBES = PLAN.questions[0].follow_ups
Q1_OPEN = "What was your part in it?"


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
