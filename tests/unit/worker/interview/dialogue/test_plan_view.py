"""What the dialogue reads from a plan."""

from __future__ import annotations

from worker.interview.dialogue.plan_view import view_of
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan


def test_in_a_plan_of_today_every_question_is_mandatory_and_its_time_is_the_soft_time() -> None:
    plan = load_plan(SAMPLE_PLAN)
    view = view_of(plan)
    assert [q.id for q in view.questions] == [q.id for q in plan.questions]
    for given, seen in zip(plan.questions, view.questions, strict=True):
        assert seen.mandatory
        assert not seen.may_skip
        assert (seen.soft_s, seen.hard_s) == (given.longest_time_s, given.longest_time_s * 1.5)
        assert seen.probes == given.follow_ups
