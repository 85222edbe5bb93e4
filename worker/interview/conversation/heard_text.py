"""Estimate of the words that the candidate heard, from the audio that was played.

The framework's own estimate for an interrupted utterance also counts the time in which
text-to-speech stalls or the room is disconnected. The framework's estimate would therefore contain
words that the candidate did not hear.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.audio.segment import Playout
from worker.speech.tts.word_timing import TYPICAL_PACE, heard_after, spoken_length

#: Function that returns how much of the last utterance was played; None if unknown.
PlayoutTeller = Callable[[], Playout | None]


class HeardTextEstimator:
    """Estimator of heard words, which learns the speaking pace of the interviewer's voice."""

    def __init__(self, playout: PlayoutTeller) -> None:
        self._playout = playout
        self._pace = TYPICAL_PACE
        self._told: Playout | None = None

    def whole(self, text: str) -> None:
        """Learn the speaking pace from `text`, an utterance that was heard completely."""
        playout = self._next()
        if playout is not None and playout.played_s > 1.0:
            self._pace = spoken_length(text) / playout.played_s

    def part(self, text: str, claimed: str, *, broke_off: bool) -> str:
        """Return the words of `text` that were heard before the utterance was cut off.

        `broke_off` is true if the text-to-speech provider stopped early. `claimed` is the
        framework's estimate, which is returned unchanged if the audio output has not played this
        utterance.
        """
        playout = self._next()
        if playout is None:
            return claimed
        if broke_off or not playout.made_s:
            return heard_after(text, playout.played_s * self._pace)
        return heard_after(text, playout.played_s / playout.made_s * spoken_length(text))

    def _next(self) -> Playout | None:
        """Return the playout of the utterance that just ended; None if no audio was played."""
        last = self._playout()
        before, self._told = self._told, last
        return last if last is not before else None
