"""Measure which part of the audio in a sink was really heard, and when."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worker.audio.frames import pieces_of, samples_of

if TYPE_CHECKING:
    from livekit import rtc

#: Samples whose peak is below this value are silence. The value is a thousandth of full scale, -60
#: dBFS. Digital silence is 0, and the pauses of a recorded voice exceed the value only by noise.
SILENCE_PEAK: Final = 33
#: Length in seconds of the pieces that are classified as sound or silence.
_GRAIN_S: Final = 0.05


@dataclass
class _Piece:
    """Sound between two event loop times."""

    begins: float
    ends: float
    speech: bool


class PlayoutMeter:
    """Tracks when any sound was last heard, and when the session's speech was last heard.

    Call `fed` for each frame that a sink takes. Call `cleared` each time the sink is cleared,
    because cleared audio is never heard. All times are event loop times, in seconds.
    """

    def __init__(self) -> None:
        self._ahead: deque[_Piece] = deque()
        self._heard_at: dict[bool, float] = {}
        self._marked_at = -math.inf
        self._first_at: float | None = None

    def fed(self, frame: rtc.AudioFrame, *, speech: bool, begins: float) -> None:
        """Record a frame whose playback begins at `begins`. Silent parts do not count as sound."""
        for piece in pieces_of(frame, _GRAIN_S):
            ends = begins + piece.duration
            if int(np.abs(samples_of(piece).astype(np.int32)).max(initial=0)) >= SILENCE_PEAK:
                self._ahead.append(_Piece(begins, ends, speech))
            begins = ends
        self._settle()

    def cleared(self) -> None:
        """Discard the audio that has not been played by now."""
        now = self._settle()
        for piece in self._ahead:
            if piece.begins < now:
                self._heard_at[piece.speech] = now
                self._note_first(piece)
        self._ahead.clear()

    def heard_at(self, *, speech: bool = False) -> float | None:
        """Return the time at which sound was last heard, at most now; None if it never was.

        If `speech` is True, only the session's speech counts, not clips.
        """
        now = self._settle()
        kinds = (True,) if speech else (True, False)
        if any(piece.begins <= now and piece.speech in kinds for piece in self._ahead):
            return now
        return max((self._heard_at[kind] for kind in kinds if kind in self._heard_at), default=None)

    def _settle(self) -> float:
        now = asyncio.get_running_loop().time()
        while self._ahead and self._ahead[0].ends <= now:
            piece = self._ahead.popleft()
            self._heard_at[piece.speech] = piece.ends
            self._note_first(piece)
        return now

    def mark(self) -> None:
        """Reset `first_heard_at` to the first sound after this call."""
        self._marked_at, self._first_at = self._settle(), None

    @property
    def first_heard_at(self) -> float | None:
        """Time of the first sound of any kind since `mark`; None if there was no sound."""
        now = self._settle()
        if self._ahead and self._ahead[0].begins <= now:
            self._note_first(self._ahead[0])
        return self._first_at

    def _note_first(self, piece: _Piece) -> None:
        if self._first_at is None and piece.ends > self._marked_at:
            self._first_at = max(piece.begins, self._marked_at)
