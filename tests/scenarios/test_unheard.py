"""Speech that gives no transcript, in whole interviews on virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome, Reason
from states.journal import read_records
from states.testing import assert_outcome, assert_path
from tests.support.virtual.moments import READY
from tests.support.virtual.whole_interview import THINKS_S, WORDS, WholeInterview

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime


@pytest.fixture
def interview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WholeInterview]:
    return lambda **options: WholeInterview(tmp_path, monkeypatch, **options)


def faults_of(held: WholeInterview, where: str) -> list[tuple[str, float]]:
    """Return the error and the seconds of each fault recorded for `where`."""
    return [
        (fault["error"], fault["seconds"])
        for fault in read_records(held.path).records
        if fault["kind"] == "fault" and fault["where"] == where
    ]


async def test_an_answer_whose_audio_stops_ends_and_the_interview_continues(
    interview: Any,
) -> None:
    held = interview()
    held.in_answer[0] = lambda: held.transport.microphone.lose_for(6.0)
    await held.held()

    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    # The understood part of the answer is stored once; the rest never arrived.
    assert held.words == [*range(1, 6), *range(WORDS + 1, 3 * WORDS + 1)]
    ((error, seconds),) = faults_of(held, "candidate_audio")
    assert error == "NoAudio"
    assert seconds == pytest.approx(6.0, abs=0.1)
    assert held.longest_silence_s() < 3.0


async def test_speech_without_an_end_is_ended_after_ten_seconds_of_silence(
    interview: Any,
) -> None:
    held = interview()
    held.detector.never_ends = True
    held.in_answer[1] = lambda: setattr(held.detector, "never_ends", False)
    await held.held(INTERVIEW_CANDIDATE_SILENCE_S=120)

    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.words == list(range(1, 3 * WORDS + 1))
    errors = [error for error, _ in faults_of(held, "answer")]
    assert errors == ["SpeechUnended"]
    # Ten seconds after the last sound, plus the pause that ends an answer.
    asked, answer = held.turns[0], held.turns[1]
    assert answer["t"] - asked["t"] < THINKS_S + WORDS / 2 + 10.0 + 3.0


async def test_an_answer_without_a_transcript_is_asked_for_again(
    interview: Any,
) -> None:
    held = interview()
    for ear in held.ears.values():
        ear.deaf = True

    def understands() -> None:
        for ear in held.ears.values():
            ear.deaf = False

    held.in_answer[1] = understands
    await held.held(INTERVIEW_CANDIDATE_SILENCE_S=120)

    assert held.roles[:2] == ["opening", "repeat"]
    ((error, seconds),) = faults_of(held, "answer")
    assert error == "NoWords"
    assert seconds == pytest.approx(WORDS / 2, abs=1.0)
    asked, again = held.turns[0], held.turns[1]
    assert again["t"] - asked["t"] < THINKS_S + WORDS / 2 + 12.0 + 4.0
