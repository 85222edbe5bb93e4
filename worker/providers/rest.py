"""How long a provider that failed in passing is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable

#: Seconds of the first rest; each one that a probe finds too short is doubled.
FIRST_REST_S = 1.0
#: The longest rest between two probes of a provider that stays away.
REST_S = 30.0
#: A provider that fails within so many seconds of coming back has relapsed: its probe tells less
#: than its work, and every relapse costs the candidate the patience of a turn.
_STEADY_S = 60.0
#: How much longer each relapse makes the rest, and up to how many seconds.
_RELAPSE_FACTOR = 4.0
_LONGEST_RELAPSE_S = 300.0
#: A second failure within so many seconds is the same one: two streams can meet it at once.
_SAME_S = 1.0


def _above_half(seconds: float) -> float:
    """Jitter, so that the jobs of many workers do not all come back in the same instant."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311  # jitter


class Rest:
    """The back-off of one provider; `now` is the event loop's time everywhere."""

    def __init__(self, jitter: Callable[[float], float] = _above_half) -> None:
        self._jitter = jitter
        self._pause_s = 0.0
        self._floor_s = FIRST_REST_S
        self._failed_at = float("-inf")
        self._back_at = float("-inf")

    def after_failure(self, now: float, *, was_resting: bool) -> float:
        """Seconds to rest after the provider failed at its work."""
        if was_resting:
            if now - self._failed_at > _SAME_S:
                self._grow()
        elif now - self._back_at < _STEADY_S:
            self._floor_s = min(self._floor_s * _RELAPSE_FACTOR, _LONGEST_RELAPSE_S)
            self._pause_s = self._floor_s
        else:
            self._pause_s = self._floor_s = FIRST_REST_S
        self._failed_at = now
        return self._jitter(self._pause_s)

    def after_probe(self) -> float:
        """Seconds to rest after a probe that failed."""
        self._grow()
        return self._jitter(self._pause_s)

    def came_back(self, now: float) -> None:
        """The provider may serve again."""
        self._back_at = now

    def _grow(self) -> None:
        longest = max(REST_S, self._floor_s)
        self._pause_s = min(max(2 * self._pause_s, FIRST_REST_S), longest)
