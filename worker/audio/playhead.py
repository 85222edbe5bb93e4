"""Calculate from the elapsed time how much of the queued audio is still to be played."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Playhead:
    """Counts the seconds of audio that were queued and not played yet.

    Queued audio begins to play at once, or when the audio queued before it has ended. Nothing else
    stops or delays the audio, not even a blocked event loop. Any thread may read a playhead. All
    changes must be made under the same lock.
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
