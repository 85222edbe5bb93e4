"""The ends of an interview that its dialogue decides."""

from __future__ import annotations

import pytest

from states import Event
from states.ends import check_ends
from tests.support.virtual.interview_parts import LONG, plan_of
from tests.support.virtual.stored_dialogue import StoredDialogue
from worker.interview.application import InterviewApplication
from worker.interview.closing_messages import CLOSING_MESSAGES
from worker.interview.dialogue.phases import Outcome
from worker.interview.ends import ENDS, end_of
from worker.interview.turn import Role
from worker.store.interview import is_over, waits_for_candidate

STOP = "I would like to end the interview here."
LATER = "Can we do this another day?"


def held() -> StoredDialogue:
    talk = StoredDialogue(plan_of())
    talk.asks()
    return talk


def test_every_outcome_of_a_dialogue_has_an_end_of_the_same_outcome() -> None:
    check_ends(ENDS)
    assert InterviewApplication.ends is ENDS
    assert end_of(Outcome.COMPLETED) is Event.INTERVIEW_COMPLETED
    others = [each for each in Outcome if each is not Outcome.COMPLETED]
    assert [ENDS[end_of(each)].outcome.value for each in others] == [each.value for each in others]
    assert {end_of(each) for each in others} == set(ENDS)


def test_an_end_after_a_goodbye_has_no_closing_message() -> None:
    assert not {end.reason for end in ENDS.values()} & set(CLOSING_MESSAGES)


@pytest.mark.parametrize("name", ENDS)
def test_only_a_postponed_or_missed_interview_waits_for_its_candidate(name: str) -> None:
    end = ENDS[name]
    waits = waits_for_candidate(end.outcome, end.reason)
    assert waits is (name in ("candidate_postponed", "candidate_missed"))
    assert is_over("ended", end.outcome, end.reason) is (name != "questions_not_heard")


def test_an_interview_whose_questions_are_answered_is_completed() -> None:
    talk = held()
    for _ in talk.plan.questions:
        talk.answers(LONG)
    talk.ends()
    assert talk.tracker.outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ((STOP, "Yes."), Outcome.STOPPED),
        ((STOP, "No.", LATER, "Yes."), Outcome.POSTPONED),
        (("Can I talk to a person?", "I would prefer a human.", "Yes."), Outcome.HUMAN),
        (("I take my consent back.", "Yes."), Outcome.WITHDRAWN),
    ],
)
def test_a_wish_that_was_confirmed_is_the_outcome(said: tuple[str, ...], outcome: Outcome) -> None:
    talk = held()
    for text in said:
        talk.answers(text)
    assert talk.tracker.is_over
    talk.ends()
    assert (talk.tracker.has_ended, talk.tracker.outcome) == (True, outcome)
    assert talk.tracker.is_over


@pytest.mark.parametrize(("wish", "over"), [(LATER, False), (STOP, True)])
def test_only_another_job_continues_an_interview_that_was_postponed(wish: str, over: bool) -> None:
    talk = held()
    talk.answers(LONG)
    talk.answers(wish)
    talk.answers("Yes.")
    talk.ends()
    assert talk.tracker.next_move().role is Role.DONE
    talk.next_job()
    assert talk.tracker.is_over is over
    if not over:
        question = talk.plan.questions[1].text
        assert talk.tracker.next_move().text == f"Welcome back. {question}"
        talk.asks()
        for _ in talk.plan.questions[1:]:
            talk.answers(LONG)
        talk.ends()
        assert talk.tracker.outcome is Outcome.COMPLETED


def test_a_job_that_follows_a_goodbye_that_was_heard_ends_with_its_outcome() -> None:
    talk = held()
    talk.answers(STOP)
    talk.answers("Yes.")
    talk.next_job()
    assert talk.tracker.is_over
    talk.ends()
    assert talk.tracker.outcome is Outcome.STOPPED
