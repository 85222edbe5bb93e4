"""Measure which audio that went into a sink was really heard, and when."""

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

#: Samples whose peak is below this are silence: a thousandth of full scale, -60 dBFS. Digital
#: silence is 0, and the pauses of a recorded voice exceed this only by noise.
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
    """Tracks when sound was last heard, of any kind and of the session's speech.

    `fed` must be called for each frame that a sink takes, and `cleared` for each clearing of the
    sink: audio that was cleared was never heard. All times are event loop times, in seconds.
    """

    def __init__(self) -> None:
        self._ahead: deque[_Piece] = deque()
        self._heard_at: dict[bool, float] = {}
        self._marked_at = -math.inf
        self._first_at: float | None = None

    def fed(self, frame: rtc.AudioFrame, *, speech: bool, begins: float) -> None:
        """Record a frame whose playback begins at `begins`. Silence is no sound."""
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
        """Return when sound was last heard, at most the current time; None if it never was.

        With `speech`, only the session's speech counts, not clips.
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
        """Reset `first_heard_at`: look for the first sound from now on."""
        self._marked_at, self._first_at = self._settle(), None

    @property
    def first_heard_at(self) -> float | None:
        """Time of the first sound since `mark`, of any kind; None if there was none."""
        now = self._settle()
        if self._ahead and self._ahead[0].begins <= now:
            self._note_first(self._ahead[0])
        return self._first_at

    def _note_first(self, piece: _Piece) -> None:
        if self._first_at is None and piece.ends > self._marked_at:
            self._first_at = max(piece.begins, self._marked_at)
