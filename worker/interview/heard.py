"""What was heard of an utterance: by the sound that was played, never by the clock alone.

The framework's own account of an utterance that was cut off runs on while a voice stalls or the
room is away: it would claim words that nobody heard.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.speech.heard_words import TYPICAL_PACE, heard_after, spoken_length
from worker.speech.segment import Playout

#: Tells how much of the last utterance was played; None where that is not known.
PlayoutTeller = Callable[[], Playout | None]


class HeardOf:
    """Finds the words that were heard, at the pace of this interview's own voice."""

    def __init__(self, playout: PlayoutTeller) -> None:
        self._playout = playout
        self._pace = TYPICAL_PACE
        self._told: Playout | None = None

    def whole(self, text: str) -> None:
        """All of the last utterance was heard: that is how fast this voice speaks."""
        playout = self._next()
        if playout is not None and playout.played_s > 1.0:
            self._pace = spoken_length(text) / playout.played_s

    def part(self, text: str, claimed: str, *, broke_off: bool) -> str:
        """The words of `text` that were heard before it was cut off, or broke off by itself.

        `claimed` is what the framework takes for heard, and is taken where there is no line.
        """
        playout = self._next()
        if playout is None:
            return claimed
        if broke_off or not playout.made_s:
            return heard_after(text, playout.played_s * self._pace)
        return heard_after(text, playout.played_s / playout.made_s * spoken_length(text))

    def _next(self) -> Playout | None:
        """That of the utterance which ended now; None where it was never on the line."""
        last = self._playout()
        before, self._told = self._told, last
        return last if last is not before else None
