"""What the dialogue reads from a plan."""

from __future__ import annotations

from typing import get_args

from worker.interview.dialogue.plan_view import Expects, view_of
from worker.interview.plan.plan import SAMPLE_PLAN, Plan, load_plan
from worker.interview.plan.question import Expects as KindOfAnswer


def test_in_a_plan_of_today_every_question_is_mandatory_and_its_time_is_the_soft_time() -> None:
    plan = load_plan(SAMPLE_PLAN)
    view = view_of(plan)
    assert [q.id for q in view.questions] == [q.id for q in plan.questions]
    for given, seen in zip(plan.questions, view.questions, strict=True):
        assert seen.mandatory
        assert not seen.may_skip
        assert (seen.soft_s, seen.hard_s) == (given.longest_time_s, given.longest_time_s * 1.5)
        assert seen.probes == given.follow_ups


FULL = {
    "title": "Screening",
    "opening": "Hello.",
    "closing": "Goodbye.",
    "disclosure": {"say": "I am software."},
    "consent": {"ask": "Do you agree?"},
    "facts": {"salary": "Forty thousand."},
    "candidate_questions": {},
    "silence": [10, 20, 30, 40, 50],
    "stopped": "We stop.",
    "postponed": "Another time.",
    "questions": [
        {
            "id": "project",
            "text": "Tell me about a project.",
            "expects": "story",
            "rephrased": ["What have you built?"],
            "clarify": {"at work": "Any project counts."},
            "points": [
                {"id": "part", "text": "their own part", "probe": "Which part was yours?"},
                {"id": "result", "text": "the result"},
            ],
            "time": {"soft_s": 60, "hard_s": 80},
        },
        {"id": "mail", "text": "Your e-mail?", "mandatory": False, "expects": "email"},
        {"id": "more", "text": "Anything else?", "mandatory": False, "may": []},
    ],
}


def test_each_optional_key_of_a_plan_reaches_the_dialogue() -> None:
    view = view_of(Plan.from_json(FULL))
    assert (view.disclosure, view.consent) == ("I am software.", "Do you agree?")
    assert view.facts["salary"] == "Forty thousand."
    assert "role" not in view.facts
    assert view.candidate_questions
    assert view.silence_levels_s == (10, 20, 30, 40, 50)
    assert (view.stop_line, view.postpone_line) == ("We stop.", "Another time.")
    project, mail, more = view.questions
    assert (project.expects, project.rephrased) == (Expects.STORY, ("What have you built?",))
    assert project.clarify == {"at work": "Any project counts."}
    assert (project.points, project.probes) == (("part", "result"), ("Which part was yours?",))
    assert project.probed_points == ("part",)
    assert project.probes_allowed == 1
    assert (project.soft_s, project.hard_s) == (60, 80)
    assert (project.may_skip, mail.may_skip, more.may_skip) == (False, True, False)
    assert (mail.may_come_back, more.may_come_back) == (True, False)
    assert (project.reads_back, mail.reads_back) == (False, True)


def test_every_kind_of_answer_of_a_plan_is_one_of_the_dialogue() -> None:
    assert {str(each) for each in Expects} == set(get_args(KindOfAnswer))
