"""The heard part of an utterance that was interrupted or broke off."""

from __future__ import annotations

import pytest

from worker.audio.segment import Playout
from worker.interview.conversation.heard_text import HeardTextEstimator

TEXT = "One two three four five six seven eight nine ten."


class Line:
    """An audio output that reports the playout a test sets."""

    def __init__(self) -> None:
        self.last: Playout | None = None

    def plays(self, seconds: float, *, of: float | None) -> None:
        self.last = Playout(played_s=seconds, made_s=of)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def heard(line: Line) -> HeardTextEstimator:
    return HeardTextEstimator(lambda: line.last)


@pytest.mark.parametrize(
    ("played_s", "words"), [(0.0, 0), (0.1, 0), (1.0, 2), (2.0, 5), (3.9, 9), (4.0, 10)]
)
def test_the_played_share_of_a_complete_utterance_was_heard(
    line: Line, heard: HeardTextEstimator, played_s: float, words: int
) -> None:
    line.plays(played_s, of=4.0)

    part = heard.part(TEXT, TEXT, broke_off=False)

    assert len(part.split()) == words
    assert TEXT.startswith(part)


@pytest.mark.parametrize("broke_off", [False, True])
def test_a_stalled_utterance_was_heard_as_far_as_its_audio_reaches(
    line: Line, heard: HeardTextEstimator, broke_off: bool
) -> None:
    # For a broken-off utterance, the audio made equals the audio played.
    line.plays(1.0, of=1.0 if broke_off else None)

    assert heard.part(TEXT, TEXT, broke_off=broke_off) == "One two three"


def test_the_pace_is_learned_from_the_previous_utterance(
    line: Line, heard: HeardTextEstimator
) -> None:
    line.plays(10.0, of=10.0)
    heard.whole(TEXT)
    line.plays(1.0, of=None)

    assert heard.part(TEXT, TEXT, broke_off=False) == "One"


def test_an_utterance_that_was_never_played_uses_the_frameworks_estimate(
    line: Line, heard: HeardTextEstimator
) -> None:
    line.plays(10.0, of=10.0)
    heard.whole(TEXT)

    assert heard.part(TEXT, "One", broke_off=False) == "One"
