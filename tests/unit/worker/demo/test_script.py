"""The script of the demo's candidate, which has an answer to everything."""

from __future__ import annotations

import pytest

from worker.demo.script import ANSWERS, GENERIC_ANSWER, CandidateScript
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.simulation.voice import split_at_pauses

PLAN = load_plan(SAMPLE_PLAN)


@pytest.fixture
def script() -> CandidateScript:
    return CandidateScript.for_sample_plan()


def test_every_question_of_the_sample_plan_has_its_own_answer(script: CandidateScript) -> None:
    by_text = [script.answer_for(question.text) for question in PLAN.questions]
    by_place = [script.answer_for(place) for place in range(len(PLAN.questions))]
    assert by_text == by_place == [ANSWERS[question.id] for question in PLAN.questions]


def test_every_follow_up_of_the_sample_plan_has_its_own_answer(script: CandidateScript) -> None:
    follow_ups = [text for question in PLAN.questions for text in question.follow_ups]
    assert follow_ups
    assert all(script.answer_for(text) != GENERIC_ANSWER for text in follow_ups)


def test_every_answer_belongs_to_a_question_of_the_sample_plan() -> None:
    ids = {question.id for question in PLAN.questions}
    assert {answer_id.partition("/")[0] for answer_id in ANSWERS} == ids


def test_a_question_is_recognized_inside_a_longer_utterance(script: CandidateScript) -> None:
    asked = PLAN.questions[1].text
    said = f"Thank you. {asked.upper().replace('?', '...')} Take your time."
    assert script.answer_for(said) == ANSWERS[PLAN.questions[1].id]


def test_a_follow_up_is_answered_rather_than_the_question_before_it(
    script: CandidateScript,
) -> None:
    question = PLAN.questions[0]
    said = f"I asked: {question.text} {question.follow_ups[0]}"
    assert script.answer_for(said) == ANSWERS[f"{question.id}/1"]


@pytest.mark.parametrize("question", ["What is your favourite colour?", "", 99, -1])
def test_anything_else_gets_the_generic_answer(
    script: CandidateScript, question: str | int
) -> None:
    assert script.answer_for(question) == GENERIC_ANSWER


def test_answers_contain_the_thinking_pauses_of_the_sample_plan() -> None:
    pauses = [part for answer in ANSWERS.values() for part in split_at_pauses(answer)]
    assert 1.3 in pauses
