"""The keys of a plan that workers of protocol 1 do not know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.fuzz.strategies.plans import plans
from worker.interview.plan.facts import Facts
from worker.interview.plan.lines import CandidateQuestions, Consent, Disclosure
from worker.interview.plan.plan import SAMPLE_PLAN, SILENCE_S, Plan, Question, load_plan
from worker.interview.plan.question import TimeLimits
from worker.store.scope import FIRST_PROTOCOL, PROTOCOL

PAGE = Path(__file__).parents[5] / "docs" / "how-to" / "write-a-plan.md"
SMALLEST: dict[str, Any] = {
    "title": "A plan",
    "opening": "Hello.",
    "questions": [{"id": "first", "text": "Why?"}],
    "closing": "Goodbye.",
}

#: A value other than the default for each key of a plan that protocol 1 does not have.
OF_A_PLAN: dict[str, Any] = {
    "disclosure": {"say": "I am an AI interviewer. The hiring team reads what you say."},
    "consent": {"ask": "Do you agree?"},
    "facts": {"who_reads": "Two people of the hiring team."},
    "candidate_questions": {},
    "silence": [10, 20, 30, 40, 50],
    "sound_check": "Do you hear me?",
    "stopped": "We stop here. Goodbye.",
    "postponed": "Another time. Goodbye.",
    "missed": "I hear nothing. Goodbye.",
}
#: The same for the keys of a question.
OF_A_QUESTION: dict[str, Any] = {
    "mandatory": False,
    "may": ["skip"],
    "rephrased": ["For what reason?"],
    "clarify": {"at work": "Yes, at work."},
    "points": [{"id": "reason", "text": "gives a reason", "probe": "What was the reason?"}],
    "probes_allowed": 1,
    "expects": "yes_no",
    "time": {"soft_s": 60},
}


def plan_of(**keys: object) -> Plan:
    return Plan.from_json(SMALLEST | keys)


def question_of(**keys: object) -> Question:
    return plan_of(questions=[SMALLEST["questions"][0] | keys]).questions[0]


def words_of(data: object) -> list[str]:
    return re.findall(r"[a-z']+", json.dumps(data).lower())


def test_a_plan_without_these_keys_has_the_defaults() -> None:
    plan, question = plan_of(), question_of()
    assert (plan.disclosure, plan.facts) == (Disclosure(), Facts())
    assert (plan.consent, plan.candidate_questions) == (None, None)
    assert plan.silence == SILENCE_S == (15, 30, 50, 80, 120)
    assert (question.mandatory, question.may) == (True, ("skip", "come_back"))
    assert (question.rephrased, question.clarify, question.points) == ((), {}, ())
    assert (question.probes_allowed, question.expects) == (2, "open")


def test_the_default_disclosure_and_facts_claim_only_what_the_software_does() -> None:
    assert Disclosure().say == (
        "I am an AI interviewer; what you say is written down; I do not know who reads it, "
        "the company can tell you."
    )
    facts = Facts().as_data()
    assert facts["about_you"] == "I am an AI interviewer, not a person."
    for topic in ("recorded", "who_reads", "how_decided", "next_step"):
        assert "I do not know" in facts[topic]
    assert not {"we", "our", "us", "will", "team", "promise"} & set(words_of(facts))


def test_the_topics_of_the_job_have_no_default() -> None:
    facts = Facts()
    job = (facts.role, facts.salary, facts.place, facts.hours, facts.team, facts.manager)
    assert {*job, facts.start, facts.tools} == {None}


def test_one_fact_leaves_the_other_defaults_as_they_are() -> None:
    facts = plan_of(facts={"salary": "It depends on your experience.", "delete": None}).facts
    assert facts == Facts(salary="It depends on your experience.")


def test_consent_has_a_question_and_a_default_for_its_refusal() -> None:
    assert plan_of(consent={"ask": "Do you agree?"}).consent == Consent(ask="Do you agree?")


def test_the_part_of_the_candidates_questions_exists_if_the_plan_names_it() -> None:
    assert plan_of(candidate_questions={}).candidate_questions == CandidateQuestions()
    assert plan_of(candidate_questions=None).candidate_questions is None


@pytest.mark.parametrize(
    ("keys", "soft_s", "hard_s"),
    [
        ({}, 180, 270),
        ({"longest_time_s": 100}, 100, 150),
        ({"longest_time_s": 1800}, 1800, 2700),
        ({"longest_time_s": 100, "time": {}}, 100, 150),
        ({"longest_time_s": 100, "time": {"soft_s": 60}}, 60, 90),
        ({"longest_time_s": 100, "time": {"hard_s": 110}}, 100, 110),
        ({"time": {"soft_s": 60, "hard_s": 60}}, 60, 60),
    ],
)
def test_the_soft_time_is_the_longest_time_and_the_hard_time_half_as_much_again_by_default(
    keys: dict[str, Any], soft_s: float, hard_s: float
) -> None:
    question = question_of(**keys)
    assert (question.soft_s, question.hard_s) == (soft_s, hard_s)


def test_what_the_candidate_may_ask_for_has_one_order() -> None:
    assert question_of(may=["come_back", "skip"]) == question_of()
    assert question_of(may=[]).may == ()


def test_points_of_two_questions_may_have_the_same_id() -> None:
    first, second = ({"id": each, "text": "Why?"} | OF_A_QUESTION for each in ("a", "b"))
    plan = plan_of(questions=[first, second])
    assert [question.points[0].id for question in plan.questions] == ["reason", "reason"]


def test_a_plan_without_these_keys_has_the_json_form_of_protocol_1() -> None:
    plan = plan_of()
    assert list(plan.to_json()) == [*SMALLEST, "language", "short_answer_words"]
    assert list(plan.to_json()["questions"][0]) == [
        *("id", "text", "good_answer", "follow_ups", "follow_ups_allowed"),
        *("longest_time_s", "thinking_pause_s"),
    ]
    assert plan.protocol() == FIRST_PROTOCOL == 1


def test_a_default_that_the_plan_spells_out_is_left_out_of_the_json_form() -> None:
    plan = plan_of()
    spelled = plan_of(
        disclosure={"say": plan.disclosure.say},
        facts=plan.facts.as_data(),
        silence=list(SILENCE_S),
        missed=plan.missed,
        questions=[
            SMALLEST["questions"][0]
            | {"mandatory": True, "may": ["come_back", "skip"], "clarify": {}, "time": {}}
        ],
    )
    assert spelled.to_json() == plan.to_json()
    assert spelled.protocol() == 1


@pytest.mark.parametrize("key", OF_A_PLAN)
def test_each_key_of_a_plan_makes_it_one_of_protocol_2(key: str) -> None:
    plan = plan_of(**{key: OF_A_PLAN[key]})
    assert [*plan.to_json()] == [*plan_of().to_json(), key]
    assert plan.protocol() == 2 <= PROTOCOL
    assert Plan.from_json(json.loads(json.dumps(plan.to_json(), sort_keys=True))) == plan


@pytest.mark.parametrize("key", OF_A_QUESTION)
def test_each_key_of_a_question_makes_the_plan_one_of_protocol_2(key: str) -> None:
    question = SMALLEST["questions"][0]
    plan = plan_of(questions=[question | {"id": "before"}, question | {key: OF_A_QUESTION[key]}])
    before, with_key = plan.to_json()["questions"]
    assert [*with_key] == [*before, key]
    assert plan.protocol() == 2 <= PROTOCOL
    assert Plan.from_json(json.loads(json.dumps(plan.to_json(), sort_keys=True))) == plan


def test_the_tables_of_this_module_have_every_key() -> None:
    assert [*plan_of().to_json(), *OF_A_PLAN] == [*Plan.keys()]
    assert [*plan_of().to_json()["questions"][0], *OF_A_QUESTION] == [*Question.keys()]


def test_a_part_that_is_set_is_stored_with_its_defaults() -> None:
    """A later version may have other defaults."""
    plan = plan_of(**OF_A_PLAN)
    stored = plan.to_json()
    assert stored["consent"] == {"ask": "Do you agree?", "refused": Consent(ask="").refused}
    assert stored["candidate_questions"]["longest_s"] == 180
    assert stored["facts"]["about_you"] == Facts().about_you
    assert "salary" not in stored["facts"]


@given(plans())
def test_a_plan_has_protocol_2_exactly_if_it_has_a_key_that_protocol_1_lacks(
    data: dict[str, Any],
) -> None:
    plan = Plan.from_json(data)
    stored = plan.to_json()
    of_questions = {key for question in stored["questions"] for key in question}
    later = (set(stored) & set(OF_A_PLAN)) | (of_questions & set(OF_A_QUESTION))
    assert plan.protocol() == (2 if later else 1)


def test_plans_are_hashable_with_all_keys() -> None:
    question = SMALLEST["questions"][0] | OF_A_QUESTION
    plan = plan_of(questions=[question], **OF_A_PLAN)
    assert {plan, Plan.from_json(plan.to_json())} == {plan}
    assert plan.questions[0].time == TimeLimits(soft_s=60)


def test_the_how_to_has_every_key_and_every_default_sentence() -> None:
    page = PAGE.read_text(encoding="utf-8")
    plan = plan_of(consent={"ask": "Do you agree?"}, candidate_questions={})
    assert plan.consent is not None
    assert plan.candidate_questions is not None
    sentences = [
        *(plan.disclosure.say, plan.sound_check, plan.stopped, plan.postponed, plan.missed),
        *(plan.consent.refused, plan.candidate_questions.ask, *Facts().as_data().values()),
    ]
    assert [each for each in sentences if f'"{each}"' not in page] == []
    keys = {*OF_A_PLAN, *OF_A_QUESTION, *Facts.keys()}
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_the_commented_keys_of_the_sample_plan_are_valid_and_use_each_key(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^( *)#(?! \w|$)", r"\1", SAMPLE_PLAN.read_text(encoding="utf-8"))
    file = tmp_path / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    stored = load_plan(file).to_json()
    assert set(stored) == {*Plan.keys()}
    assert {key for question in stored["questions"] for key in question} == {*Question.keys()}
    assert load_plan(SAMPLE_PLAN).protocol() == 1
