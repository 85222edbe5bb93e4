"""Examples of the interviewer's next move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.interview_parts import LONG, SHORT, Talk, plan_of, question
from worker.interview.dialogue.guards import CUT_GOES_ON
from worker.interview.dialogue.moves import PROMPT_HEARD
from worker.interview.orchestrator import (
    Move,
    Role,
    next_move,
    open_question,
)
from worker.interview.tracker import MOST_GOODBYES

if TYPE_CHECKING:
    from worker.interview.plan.plan import Plan


def moves(plan: Plan, talk: Talk, *answers: str) -> list[tuple[Role, str | None]]:
    """Hold an interview with a candidate who hears everything, and return its moves."""
    made: list[tuple[Role, str | None]] = []
    for answer in answers:
        move = next_move(plan, talk.turns)
        made.append((move.role, move.question_id))
        talk.asked(move).answered(answer)
    return made


# --- an interview without interruptions -------------------------------------------------------


def test_the_first_utterance_is_the_greeting_and_the_first_question() -> None:
    plan = plan_of()
    move = next_move(plan, [])
    assert move == Move(
        role=Role.OPENING, text=f"{plan.opening} {plan.questions[0].text}", question_id="q0"
    )


def test_long_answers_lead_through_the_questions_to_the_closing() -> None:
    plan, talk = plan_of(), Talk()
    assert moves(plan, talk, LONG, LONG, LONG) == [
        (Role.OPENING, "q0"),
        (Role.QUESTION, "q1"),
        (Role.QUESTION, "q2"),
    ]
    closing = next_move(plan, talk.turns)
    assert (closing.role, closing.question_id) == (Role.CLOSING, None)
    talk.asked(closing)
    assert next_move(plan, talk.turns) == Move(role=Role.DONE)


def test_a_short_answer_gets_the_follow_ups_in_order_up_to_the_allowed_number() -> None:
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


def test_a_question_past_its_time_limit_gets_no_follow_up() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    talk.asked(next_move(plan, [])).answered(SHORT, after_s=plan.questions[0].longest_time_s)
    assert next_move(plan, talk.turns).role is Role.QUESTION


def test_the_open_question_is_the_current_one() -> None:
    plan, talk = plan_of(), Talk()
    assert open_question(plan, []).id == "q0"
    moves(plan, talk, LONG, LONG)
    assert open_question(plan, talk.turns).id == "q1"


# --- interruptions ------------------------------------------------------------------------------


def test_a_question_that_was_cut_off_is_asked_again() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns), heard=0.3).answered("Sorry, one thing:")
    assert next_move(plan, talk.turns) == Move(
        role=Role.REPEAT, text=plan.questions[1].text, question_id="q1"
    )


@pytest.mark.parametrize(
    ("heard", "role"), [(PROMPT_HEARD + 0.1, Role.QUESTION), (PROMPT_HEARD - 0.1, Role.REPEAT)]
)
def test_a_question_that_was_mostly_heard_counts_as_asked(heard: float, role: Role) -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns), heard=heard).answered(LONG)
    assert next_move(plan, talk.turns).role is role


def test_hearing_only_the_greeting_does_not_count_as_asking_the_question() -> None:
    """The first utterance is greeting and question: after the greeting alone, nothing was asked."""
    plan, talk = plan_of(), Talk()
    opening = next_move(plan, [])
    greeting = len(plan.opening) / len(opening.text)
    assert greeting > 0.5
    talk.asked(opening, heard=greeting).answered(LONG)
    assert next_move(plan, talk.turns).role is Role.REPEAT
    assert next_move(plan, talk.turns).text == plan.questions[0].text


def test_a_question_that_is_cut_off_too_often_is_skipped() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    for _ in range(CUT_GOES_ON):
        assert next_move(plan, talk.turns).question_id == "q1"
        talk.asked(next_move(plan, talk.turns), heard=0.1).answered(SHORT)
    assert next_move(plan, talk.turns).question_id == "q2"


def test_a_question_that_was_not_heard_gets_no_follow_up() -> None:
    plan, talk = plan_of(question(0, follow_ups=2), question(1)), Talk()
    for _ in range(CUT_GOES_ON):
        talk.asked(next_move(plan, talk.turns), heard=0.1).answered(SHORT)
    assert next_move(plan, talk.turns).question_id == "q1"


def test_the_closing_is_not_repeated_forever() -> None:
    plan, talk = plan_of(question(0)), Talk()
    moves(plan, talk, LONG)
    for _ in range(MOST_GOODBYES + 1):
        assert next_move(plan, talk.turns).role is Role.CLOSING
        talk.asked(next_move(plan, talk.turns), heard=0.1)
    assert next_move(plan, talk.turns).role is Role.DONE


# --- a successor continues ----------------------------------------------------------------------


@pytest.mark.row("B5")
def test_a_successor_asks_the_open_question_again() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns))
    assert next_move(plan, talk.turns) == Move(
        role=Role.REPEAT, text=plan.questions[1].text, question_id="q1"
    )


@pytest.mark.row("B5")
def test_a_successor_asks_the_open_follow_up_again_and_not_the_answered_question() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    moves(plan, talk, SHORT)
    talk.asked(next_move(plan, talk.turns))
    again = next_move(plan, talk.turns)
    assert again == Move(role=Role.REPEAT, text=plan.questions[0].follow_ups[0], question_id="q0")
    talk.asked(again).answered(SHORT)
    assert next_move(plan, talk.turns).question_id == "q1"


@pytest.mark.row("B5")
def test_a_partial_answer_counts_together_with_the_rest_that_a_successor_hears() -> None:
    plan, talk = plan_of(question(0, follow_ups=1), question(1)), Talk()
    talk.asked(next_move(plan, [])).answered("five words of an answer", cut_off=True)
    again = next_move(plan, talk.turns)
    assert (again.role, again.question_id) == (Role.REPEAT, "q0")
    talk.asked(again).answered("and five more of it")
    # Nine words or more are not a short answer, so no follow-up is asked.
    assert next_move(plan, talk.turns).question_id == "q1"


def test_a_successor_continues_after_an_answer_that_got_no_reply() -> None:
    plan, talk = plan_of(), Talk()
    moves(plan, talk, LONG)
    assert next_move(plan, talk.turns).question_id == "q1"


def test_a_successor_has_nothing_to_say_after_the_closing() -> None:
    plan, talk = plan_of(question(0)), Talk()
    moves(plan, talk, LONG)
    talk.asked(next_move(plan, talk.turns))
    assert next_move(plan, talk.turns).role is Role.DONE


def test_an_empty_turn_is_not_an_answer() -> None:
    plan, talk = plan_of(), Talk()
    talk.asked(next_move(plan, [])).answered("  ")
    assert next_move(plan, talk.turns).question_id == "q0"
    assert open_question(plan, talk.turns).id == "q0"
