"""Measure which of the queued audio was really heard, and how much is still to be played."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worker.audio.frames import pieces_of, samples_of

if TYPE_CHECKING:
    from livekit import rtc

#: Samples whose peak is below this value are silence. The value is a thousandth of full scale, -60
#: dBFS. Digital silence is 0, and in the pauses of a recorded voice only noise exceeds the value.
SILENCE_PEAK: Final = 33
#: Length in seconds of the pieces that are classified as sound or silence.
_GRAIN_S: Final = 0.05


@dataclass
class _Piece:
    """A piece of sound that is audible from `begins` to `ends`, in event loop time."""

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
        """Return the last time, up to now, at which sound was heard; None if there was no sound.

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
        """Forget earlier sounds, so that `first_heard_at` tells the first sound after this call."""
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


class Playhead:
    """Counts the seconds of audio that were queued and not played yet.

    Queued audio begins to play at once, or when the audio queued before it has ended. A blocked
    event loop does not stop or delay queued audio. Any thread may read a playhead. All code that
    changes a playhead must hold the same lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = -math.inf

    @property
    def quiet_s(self) -> float:
        """Seconds since the audio ended; negative while it plays, infinite before any audio."""
        return self._clock() - self._ends

    @property
    def left_s(self) -> float:
        """Seconds of audio that are still to be played."""
        return max(-self.quiet_s, 0.0)

    def add(self, seconds: float) -> None:
        """Record that `seconds` more audio was queued."""
        self._ends = max(self._ends, self._clock()) + seconds

    def clear(self) -> None:
        """Record that the queue was emptied."""
        self._ends = min(self._ends, self._clock())
