"""The processing of a model's reply: the plan decides, whatever the model says."""

from __future__ import annotations

import pytest

from tests.support.virtual.interview_parts import LONG, SHORT, Talk, plan_of, question
from worker.interview.llm.phrasing import WordsRefused, phrased
from worker.interview.orchestrator import LlmAllowance, Move, Role, leeway, next_move
from worker.interview.plan.plan import Plan

PLAN = plan_of(question(0, follow_ups=1, allowed=2), question(1), question(2))
ACKNOWLEDGED = "ACKNOWLEDGE: Thank you, that is clear."
ASKED = "FOLLOW-UP: Which part of the matter was new?"


def after(answer: str, plan: Plan = PLAN) -> Talk:
    return Talk().asked(next_move(plan, [])).answered(answer)


def refusal_of(reply: str, scope: LlmAllowance, plan: Plan = PLAN) -> str:
    with pytest.raises(WordsRefused) as refused:
        phrased(reply, plan, scope)
    return refused.value.reason


def test_an_acknowledgement_comes_before_the_plans_own_words() -> None:
    scope = leeway(PLAN, after(LONG).turns)
    move = phrased(ACKNOWLEDGED, PLAN, scope)
    assert move == Move(
        role=Role.QUESTION,
        text=f"Thank you, that is clear. {PLAN.questions[1].text}",
        question_id="q1",
    )


def test_an_acknowledgement_may_precede_the_plans_follow_up_and_the_closing() -> None:
    short = phrased(ACKNOWLEDGED, PLAN, leeway(PLAN, after(SHORT).turns))
    assert short.role is Role.FOLLOW_UP
    assert short.text.endswith(PLAN.questions[0].follow_ups[0])
    plan = plan_of(question(0))
    last = phrased(ACKNOWLEDGED, plan, leeway(plan, after(LONG, plan).turns))
    assert last == Move(role=Role.CLOSING, text=f"Thank you, that is clear. {plan.closing}")


@pytest.mark.parametrize("answer", [SHORT, LONG])
def test_a_model_follow_up_replaces_the_next_move(answer: str) -> None:
    move = phrased(ASKED, PLAN, leeway(PLAN, after(answer).turns))
    assert move == Move(
        role=Role.FOLLOW_UP, text="Which part of the matter was new?", question_id="q0"
    )


def test_a_follow_up_that_the_plan_does_not_allow_is_refused() -> None:
    plan = plan_of(question(0), question(1))
    assert refusal_of(ASKED, leeway(plan, after(LONG, plan).turns), plan) == "FollowUpNotAllowed"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "Empty"),
        (" \n ", "Empty"),
        ("ACKNOWLEDGE:", "Empty"),
        ("Thank you, that is clear.", "FormatUnknown"),
        ("acknowledge: Thank you.", "FormatUnknown"),
        ("ACKNOWLEDGE: Thank you.\nFOLLOW-UP: Which part was new?", "FormatUnknown"),
        ("<think>so</think>ACKNOWLEDGE: Thank you.", "FormatUnknown"),
        ("ACKNOWLEDGE: You passed.", "Verdict"),
        ("ACKNOWLEDGE: FOLLOW-UP: Which part was new?", "AsksSomething"),
        ("FOLLOW-UP: What about the matter of number 1?", "RepeatsQuestion"),
        ("ACKNOWLEDGE: " + "well " * 10_000, "TooLong"),
    ],
)
def test_any_other_reply_is_refused_with_a_named_reason(reply: str, reason: str) -> None:
    assert refusal_of(reply, leeway(PLAN, after(LONG).turns)) == reason


def test_without_an_answer_there_is_no_acknowledgement() -> None:
    talk = Talk()
    for scope in (leeway(PLAN, []), leeway(PLAN, talk.asked(next_move(PLAN, [])).turns)):
        assert not scope.acknowledge
        assert scope.follow_ups_left == 0
        assert refusal_of(ACKNOWLEDGED, scope) == "AcknowledgementNotAllowed"


# --- freedom that the plan leaves to a model -----------------------------------------------------


def test_a_model_may_ask_as_many_follow_ups_as_the_plan_allows() -> None:
    plan, talk = plan_of(question(0, allowed=2), question(1)), Talk()
    left = []
    talk.asked(next_move(plan, [])).answered(LONG)
    while (scope := leeway(plan, talk.turns)).follow_ups_left:
        left.append(scope.follow_ups_left)
        talk.asked(Move(role=Role.FOLLOW_UP, text="Which part?", question_id="q0")).answered(LONG)
    assert left == [2, 1]


def test_after_a_model_follow_up_the_plans_own_follow_ups_are_still_asked() -> None:
    plan = plan_of(question(0, follow_ups=2, allowed=2), question(1))
    talk = after(SHORT, plan)
    talk.asked(phrased(ASKED, plan, leeway(plan, talk.turns))).answered(SHORT)
    move = next_move(plan, talk.turns)
    assert (move.role, move.text) == (Role.FOLLOW_UP, plan.questions[0].follow_ups[0])
    talk.asked(move).answered(SHORT)
    assert next_move(plan, talk.turns).role is Role.QUESTION


def test_an_unanswered_model_follow_up_is_repeated_without_its_lead_in() -> None:
    talk = after(LONG)
    reply = "FOLLOW-UP: Thank you, that is clear. Which part of the matter was new?"
    talk.asked(phrased(reply, PLAN, leeway(PLAN, talk.turns)))
    assert next_move(PLAN, talk.turns) == Move(
        role=Role.REPEAT, text="Which part of the matter was new?", question_id="q0"
    )


@pytest.mark.parametrize(("heard", "role"), [(0.95, Role.QUESTION), (0.6, Role.REPEAT)])
def test_the_question_must_be_heard_not_only_its_acknowledgement(heard: float, role: Role) -> None:
    talk = after(LONG)
    reply = "ACKNOWLEDGE: Thank you, so it was the matter of all of it that made it hard for you."
    talk.asked(phrased(reply, PLAN, leeway(PLAN, talk.turns)), heard).answered(LONG)
    assert next_move(PLAN, talk.turns).role is role


def test_a_closing_is_repeated_if_only_its_acknowledgement_was_heard() -> None:
    plan = plan_of(question(0))
    talk = after(LONG, plan)
    talk.asked(phrased(ACKNOWLEDGED, plan, leeway(plan, talk.turns)), 0.4)
    scope = leeway(plan, talk.turns)
    assert scope.move == Move(role=Role.CLOSING, text=plan.closing)
    assert not scope.acknowledge


def test_a_question_past_its_time_limit_allows_no_model_follow_up() -> None:
    talk = Talk().asked(next_move(PLAN, []))
    talk.answered(LONG, after_s=PLAN.questions[0].longest_time_s)
    scope = leeway(PLAN, talk.turns)
    assert (scope.acknowledge, scope.follow_ups_left) == (True, 0)
