"""Calculate how much of a queue of audio is left to play, from the elapsed time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Playhead:
    """Counts the seconds of audio that were queued and not played yet.

    Queued audio begins at once, or after the audio queued before it; nothing else stops or delays
    it. A blocked event loop makes no difference. Readable from any thread; change it only under
    one lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = -math.inf

    @property
    def quiet_s(self) -> float:
        """Seconds since the last audio ended: infinite before any audio, negative during it."""
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
