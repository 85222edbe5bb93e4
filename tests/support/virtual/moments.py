"""Assertions and constants for interviews in which a resource fails."""

from __future__ import annotations

from states import Outcome, Reason, Status
from states.testing import assert_outcome
from tests.support.virtual.whole_interview import PLAN, WORDS, WholeInterview

READY = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING", "CLOSING", "CLOSED")
DEGRADED = tuple(state.replace("READY", "DEGRADED") for state in READY)
NEVER = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED")
ALL_WORDS = list(range(1, len(PLAN.questions) * WORDS + 1))
ROLES = ["opening", "question", "question", "closing"]
QUESTIONS = [question.text for question in PLAN.questions]

#: Maximum seconds in which the candidate neither hears nor reads anything. The last case of each
#: resource is an exception: all providers of a kind fail at once in the middle of a sentence.
PATIENCE_S = 2.0

BROKEN = RuntimeError("Ada said: hello")
LOST, BACK = Status.LOST, Status.READY


def assert_nothing_was_lost(held: WholeInterview) -> None:
    """Assert that the interview completed, and kept each word and asked each question once."""
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.words == ALL_WORDS
    assert held.roles == ROLES
    assert max(held.waits_s()) <= PATIENCE_S
