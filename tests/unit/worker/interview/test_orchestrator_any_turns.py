"""The next move after any stored turns, even those of another plan."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual.interview_parts import START, plan_of, question
from worker.interview.orchestrator import CommittedTurn, Role, next_move, open_question

if TYPE_CHECKING:
    from worker.interview.plan.plan import Plan

PLANS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4).map(
    lambda sizes: plan_of(*(question(n, follow_ups=f, allowed=a) for n, (f, a) in enumerate(sizes)))
)
ANY_TURN = st.builds(
    CommittedTurn,
    speaker=st.sampled_from(["candidate", "interviewer"]),
    text=st.text(max_size=40),
    at=st.integers(0, 10_000).map(lambda s: START + timedelta(seconds=s)),
    question_id=st.sampled_from([None, "q0", "q1", "q2", "of another plan"]),
    role=st.none() | st.sampled_from(Role),
    generated=st.text(max_size=40),
    interrupted=st.booleans(),
)


@given(PLANS, st.lists(ANY_TURN, max_size=30))
def test_any_sequence_of_turns_leads_to_a_move(plan: Plan, turns: list[CommittedTurn]) -> None:
    move = next_move(plan, turns)
    assert move.role is Role.DONE or move.text
    assert open_question(plan, turns) in plan.questions
    assert next_move(plan, turns) == move
