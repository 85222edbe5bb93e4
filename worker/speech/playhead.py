"""How much of a queue of audio is left, by the clock that it is played by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Playhead:
    """Counts the seconds of audio that were queued and not played yet.

    What is queued begins at once, or behind what is there; nothing else stops or delays it. An
    event loop that is blocked makes no difference. Readable from any thread, to be changed under
    one lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = -math.inf

    @property
    def quiet_s(self) -> float:
        """Seconds since the last of it was played; infinite where nothing ever was, and negative
        as long as something is."""
        return self._clock() - self._ends

    @property
    def left_s(self) -> float:
        """Seconds that are still to be played."""
        return max(-self.quiet_s, 0.0)

    def add(self, seconds: float) -> None:
        """So much more was queued."""
        self._ends = max(self._ends, self._clock()) + seconds

    def clear(self) -> None:
        """Nothing is queued any more."""
        self._ends = min(self._ends, self._clock())
