"""What the interviewer does next: examples, and properties that hold for every interview."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interview_parts import LONG, SHORT, START, Talk, plan_of, question

from worker.interview.orchestrator import (
    HEARD_ENOUGH,
    MOST_REPEATS,
    Move,
    Role,
    Said,
    next_move,
    open_question,
    place_in,
)

if TYPE_CHECKING:
    from worker.interview.plan import Plan


def moves(plan: Plan, talk: Talk, *answers: str) -> list[tuple[Role, str | None]]:
    """Hold an interview with a candidate who hears everything; the moves it was made of."""
    made: list[tuple[Role, str | None]] = []
    for answer in answers:
        move = next_move(plan, talk.turns)
        made.append((move.role, move.question_id))
        talk.asked(move).answered(answer)
    return made


# --- the plain way ------------------------------------------------------------------------------


def test_the_first_words_are_the_greeting_and_the_first_question() -> None:
    plan = plan_of()
    move = next_move(plan, [])
    assert move == Move(
        role=Role.OPENING, text=f"{plan.opening} {plan.questions[0].text}", question_id="q0"
    )


def test_long_answers_lead_through_the_questions_to_goodbye() -> None:
    plan, talk = plan_of(), Talk()
    assert moves(plan, talk, LONG, LONG, LONG, "Bye.") == [
        (Role.OPENING, "q0"),
        (Role.QUESTION, "q1"),
        (Role.QUESTION, "q2"),
        (Role.CLOSING, None),
    ]
    assert next_move(plan, talk.turns) == Move(role=Role.DONE)


def test_a_short_answer_gets_the_follow_ups_in_their_order_and_no_more_than_allowed() -> None:
    plan = plan_of(question(0, follow_ups=3, allowed=2), question(1))
    talk = Talk()
    made = moves(plan, talk, SHORT, SHORT, SHORT)
    assert made == [(Role.OPENING, "q0"), (Role.FOLLOW_UP, "q0"), (Role.FOLLOW_UP, "q0")]
    assert [t.text for t in talk.turns if t.role is Role.FOLLOW_UP] == list(
        plan.questions[0].follow_ups[:2]
    )
    assert next_move(plan, talk.turns).question_id == "q1"


def test_a_long_answer_gets_no_follow_up() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    moves(plan, talk, LONG)
    assert next_move(plan, talk.turns).role is Role.QUESTION


def test_an_answer_in_pieces_counts_as_one() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    talk.asked(next_move(plan, [])).answered("one two three four").answered("five six seven eight")
    assert next_move(plan, talk.turns).role is Role.QUESTION


def test_a_question_whose_time_is_over_gets_no_follow_up() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    talk.asked(next_move(plan, [])).answered(SHORT, after_s=plan.questions[0].longest_time_s)
    assert next_move(plan, talk.turns).role is Role.QUESTION


def test_the_open_question_is_the_one_talked_about() -> None:
    plan, talk = plan_of(), Talk()
    assert open_question(plan, []).id == "q0"
    moves(plan, talk, LONG, LONG)
    assert open_question(plan, talk.turns).id == "q1"


# --- cut off ------------------------------------------------------------------------------------


def test_a_question_that_was_cut_off_is_asked_again() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns), heard=0.3).answered("Sorry, one thing:")
    assert next_move(plan, talk.turns) == Move(
        role=Role.REPEAT, text=plan.questions[1].text, question_id="q1"
    )


@pytest.mark.parametrize(
    ("heard", "role"), [(HEARD_ENOUGH + 0.1, Role.QUESTION), (HEARD_ENOUGH - 0.1, Role.REPEAT)]
)
def test_a_question_heard_for_the_most_part_counts_as_asked(heard: float, role: Role) -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns), heard=heard).answered(LONG)
    assert next_move(plan, talk.turns).role is role


def test_a_greeting_that_was_heard_does_not_make_the_question_asked() -> None:
    """The first utterance is greeting and question: over the greeting, nothing was asked yet."""
    plan, talk = plan_of(), Talk()
    opening = next_move(plan, [])
    greeting = len(plan.opening) / len(opening.text)
    assert greeting > HEARD_ENOUGH
    talk.asked(opening, heard=greeting).answered(LONG)
    assert next_move(plan, talk.turns).role is Role.REPEAT
    assert next_move(plan, talk.turns).text == plan.questions[0].text


def test_a_question_cut_off_again_and_again_is_let_go() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    for _ in range(MOST_REPEATS):
        assert next_move(plan, talk.turns).question_id == "q1"
        talk.asked(next_move(plan, talk.turns), heard=0.1).answered(SHORT)
    assert next_move(plan, talk.turns).question_id == "q2"


def test_no_follow_up_is_asked_to_a_question_that_nobody_heard() -> None:
    plan, talk = plan_of(question(0, follow_ups=2), question(1)), Talk()
    for _ in range(MOST_REPEATS):
        talk.asked(next_move(plan, talk.turns), heard=0.1).answered(SHORT)
    assert next_move(plan, talk.turns).question_id == "q1"


def test_goodbye_is_not_said_for_ever() -> None:
    plan, talk = plan_of(question(0)), Talk()
    moves(plan, talk, LONG)
    for _ in range(MOST_REPEATS):
        assert next_move(plan, talk.turns).role is Role.CLOSING
        talk.asked(next_move(plan, talk.turns), heard=0.1).answered("Wait!")
    assert next_move(plan, talk.turns).role is Role.DONE


# --- another interviewer goes on ----------------------------------------------------------------


def test_a_newcomer_asks_the_open_question_again() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns))
    assert next_move(plan, talk.turns) == Move(
        role=Role.REPEAT, text=plan.questions[1].text, question_id="q1"
    )


def test_a_newcomer_asks_the_open_follow_up_again_and_not_the_answered_question() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    moves(plan, talk, SHORT)
    talk.asked(next_move(plan, talk.turns))
    again = next_move(plan, talk.turns)
    assert again == Move(role=Role.REPEAT, text=plan.questions[0].follow_ups[0], question_id="q0")
    talk.asked(again).answered(SHORT)
    assert next_move(plan, talk.turns).question_id == "q1"


def test_a_newcomer_goes_on_after_an_answer_that_nobody_reacted_to() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    assert next_move(plan, talk.turns).question_id == "q1"


def test_a_newcomer_after_goodbye_has_nothing_to_say() -> None:
    plan, talk = plan_of(question(0)), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns))
    assert next_move(plan, talk.turns).role is Role.DONE


def test_silence_is_no_answer() -> None:
    plan, talk = plan_of(), Talk()
    talk.asked(next_move(plan, [])).answered("  ")
    assert next_move(plan, talk.turns).role is Role.REPEAT


# --- for every interview ------------------------------------------------------------------------

PLANS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4).map(
    lambda sizes: plan_of(*(question(n, follow_ups=f, allowed=a) for n, (f, a) in enumerate(sizes)))
)
ANSWERS = st.sampled_from([LONG, SHORT, "yes", "one two three four"])
#: What becomes of a move: how much is heard of it, and what the candidate says, in pieces.
#: Nothing said is a new interviewer, who asks for the next move with no answer.
REPLIES = st.lists(
    st.tuples(st.sampled_from([1.0, 1.0, 0.9, 0.4, 0.0]), st.lists(ANSWERS, max_size=2)),
    max_size=60,
)


def hold(plan: Plan, replies: list[tuple[float, list[str]]]) -> list[tuple[Move, float, list[str]]]:
    """Hold the interview until it is done or nobody replies any more."""
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


@settings(deadline=None)  # machines are noisy
@given(PLANS, REPLIES)
def test_no_question_is_skipped_and_none_is_come_back_to(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    asked = [move.question_id for move, _, _ in hold(plan, replies) if move.question_id]
    assert list(dict.fromkeys(asked)) == [q.id for q in plan.questions][: len(set(asked))]
    assert asked == sorted(asked)


@settings(deadline=None)  # machines are noisy
@given(PLANS, REPLIES)
def test_goodbye_comes_after_every_question_and_nothing_comes_after_it(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    held = [move for move, _, _ in hold(plan, replies)]
    roles = [move.role for move in held]
    if Role.CLOSING in roles:
        first = roles.index(Role.CLOSING)
        assert {move.question_id for move in held[:first]} == {q.id for q in plan.questions}
        assert set(roles[first:]) == {Role.CLOSING}


@settings(deadline=None)  # machines are noisy
@given(PLANS, REPLIES)
def test_what_was_heard_and_answered_is_never_asked_again(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    settled: set[str] = set()
    for move, heard, answers in hold(plan, replies):
        prompt = move.text.removeprefix(plan.opening).strip()
        if move.role is not Role.CLOSING:
            assert prompt not in settled
            if heard == 1.0 and answers:
                settled.add(prompt)


@settings(deadline=None)  # machines are noisy
@given(PLANS, REPLIES)
def test_no_question_gets_more_follow_ups_than_it_allows(
    plan: Plan, replies: list[tuple[float, list[str]]]
) -> None:
    held = hold(plan, replies)
    for asked in plan.questions:
        mine = {m.text for m, _, _ in held if m.question_id == asked.id and "part" in m.text}
        assert len(mine) <= asked.follow_ups_allowed


@settings(deadline=None)  # machines are noisy
@given(PLANS, st.lists(st.sampled_from([1.0, 0.9, 0.4, 0.0]), min_size=1, max_size=8), ANSWERS)
def test_every_interview_comes_to_its_end(plan: Plan, heard: list[float], answer: str) -> None:
    """Whoever answers, even by cutting in every time, is told goodbye in the end."""
    prompts = sum(1 + len(q.follow_ups) for q in plan.questions) + 1
    replies = [(heard[n % len(heard)], [answer]) for n in range(MOST_REPEATS * prompts)]
    talk = Talk()
    for how_much, answers in replies:
        move = next_move(plan, talk.turns)
        if move.role is Role.DONE:
            return
        talk.asked(move, how_much).answered(answers[0])
    assert next_move(plan, talk.turns).role is Role.DONE


@settings(deadline=None)  # machines are noisy
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


ANY_TURN = st.builds(
    Said,
    speaker=st.sampled_from(["candidate", "interviewer"]),
    text=st.text(max_size=40),
    at=st.integers(0, 10_000).map(lambda s: START + timedelta(seconds=s)),
    question_id=st.sampled_from([None, "q0", "q1", "q2", "of another plan"]),
    role=st.none() | st.sampled_from(Role),
    generated=st.text(max_size=40),
    interrupted=st.booleans(),
)


@settings(deadline=None)  # machines are noisy
@given(PLANS, st.lists(ANY_TURN, max_size=30))
def test_no_turns_however_odd_leave_the_interviewer_without_a_move(
    plan: Plan, turns: list[Said]
) -> None:
    move = next_move(plan, turns)
    assert move.role is Role.DONE or move.text
    assert 0 <= place_in(plan, turns).question < len(plan.questions)
    assert next_move(plan, turns) == move
