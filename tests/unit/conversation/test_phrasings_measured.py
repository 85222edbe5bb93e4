"""The classifier is measured with the frozen phrasings (tests/conversation/phrasings)."""

from __future__ import annotations

from functools import cache

from tests.conversation.measure import Figures, measured, phrasings
from worker.interview.dialogue.classify.classifier import prepare

#: What was reached. The goals are 0.95 and 0; the figures never get worse.
RIGHT_MOVE, QUESTIONS_LOST = 0.885, 13


@cache
def figures() -> Figures:
    """Return the figures of the classifier, measured once."""
    return measured(prepare(), phrasings("requests.yaml"), phrasings("answers.yaml"))


def test_the_frozen_phrasings_are_read_as_well_as_before() -> None:
    assert figures().right_share >= RIGHT_MOVE, figures().text()
    assert len(figures().lost) <= QUESTIONS_LOST, figures().text()


def test_no_frozen_answer_is_taken_for_an_act_that_loses_something() -> None:
    assert figures().taken == []
