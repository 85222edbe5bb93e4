"""Properties that hold for every interview, from its first move to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual.interview_parts import LONG, SHORT, Talk, plan_of, question
from worker.interview.dialogue.guards import CUT_GOES_ON
from worker.interview.orchestrator import (
    Move,
    Role,
    next_move,
)

if TYPE_CHECKING:
    from worker.interview.plan.plan import Plan

PLANS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4).map(
    lambda sizes: plan_of(*(question(n, follow_ups=f, allowed=a) for n, (f, a) in enumerate(sizes)))
)
ANSWERS = st.sampled_from([LONG, SHORT, "yes", "one two three four"])
#: Outcomes of a move: the heard share of it, and the candidate's answer in pieces.
#: No answer means a new interviewer, who asks for the next move.
REPLIES = st.lists(
    st.tuples(st.sampled_from([1.0, 1.0, 0.9, 0.4, 0.0]), st.lists(ANSWERS, max_size=2)),
    max_size=60,
)


def hold(plan: Plan, replies: list[tuple[float, list[str]]]) -> list[tuple[Move, float, list[str]]]:
    """Hold the interview until it is done or the replies are used up."""
    talk, held = Talk(), []
    for heard, answers in replies:
        move = next_move(plan, talk.turns)
        if move.role is Role.DONE:
            break
        held.append((move, heard, answers))
        talk.asked(move, heard)
        for answer in answers:
            talk.answered(answer)
    return held


@given(PLANS, REPLIES)
def test_no_question_is_skipped_and_none_is_returned_to(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    asked = [move.question_id for move, _, _ in hold(plan, replies) if move.question_id]
    assert list(dict.fromkeys(asked)) == [q.id for q in plan.questions][: len(set(asked))]
    assert asked == sorted(asked)


@given(PLANS, REPLIES)
def test_the_closing_comes_after_every_question_and_is_last(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    held = [move for move, _, _ in hold(plan, replies)]
    roles = [move.role for move in held]
    if Role.CLOSING in roles:
        first = roles.index(Role.CLOSING)
        assert {move.question_id for move in held[:first]} == {q.id for q in plan.questions}
        assert set(roles[first:]) == {Role.CLOSING}


@pytest.mark.row("B5")
@given(PLANS, REPLIES)
def test_a_heard_and_answered_prompt_is_never_asked_again(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    settled: set[str] = set()
    for move, heard, answers in hold(plan, replies):
        prompt = move.text.removeprefix(plan.opening).strip()
        if move.role is not Role.CLOSING:
            assert prompt not in settled
            if heard == 1.0 and answers:
                settled.add(prompt)


@given(PLANS, REPLIES)
def test_no_question_gets_more_follow_ups_than_it_allows(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    held = hold(plan, replies)
    for asked in plan.questions:
        mine = {m.text for m, _, _ in held if m.question_id == asked.id and "part" in m.text}
        assert len(mine) <= asked.follow_ups_allowed


@given(PLANS, st.lists(st.sampled_from([1.0, 0.9, 0.4, 0.0]), min_size=1, max_size=8), ANSWERS)
def test_every_interview_ends(plan: Plan, heard: list[float], answer: str) -> None:
    """Any candidate, even one who interrupts every time, hears the goodbye at the end."""
    prompts = sum(1 + len(q.follow_ups) for q in plan.questions) + 1
    replies = [(heard[n % len(heard)], [answer]) for n in range(CUT_GOES_ON * prompts)]
    talk = Talk()
    for how_much, answers in replies:
        move = next_move(plan, talk.turns)
        if move.role is Role.DONE:
            return
        talk.asked(move, how_much).answered(answers[0])
    assert next_move(plan, talk.turns).role is Role.DONE


@given(PLANS, REPLIES)
def test_the_same_turns_give_the_same_move(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    talk = Talk()
    for heard, answers in replies:
        before = next_move(plan, talk.turns)
        assert next_move(plan, list(talk.turns)) == before
        talk.asked(before, heard)
        for answer in answers:
            talk.answered(answer)
