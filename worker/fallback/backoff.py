"""Back-off of a provider after temporary failures."""

from __future__ import annotations

import random
from collections.abc import Callable

#: The first cooldown in seconds; each failed probe doubles it.
FIRST_REST_S = 1.0
#: The longest cooldown in seconds between two probes of an unavailable provider.
REST_S = 30.0
#: A provider that fails within this many seconds after its recovery has relapsed. A probe proves
#: less than a real request, and every relapse delays the candidate's turn by one timeout.
_STEADY_S = 60.0
#: Factor by which each relapse lengthens the cooldown, and the longest cooldown after a relapse, in
#: seconds.
_RELAPSE_FACTOR = 4.0
_LONGEST_RELAPSE_S = 300.0
#: A second failure within this many seconds counts as the same failure, because two streams can
#: meet it at the same time.
_SAME_S = 1.0


def _above_half(seconds: float) -> float:
    """Return a random time from half of `seconds` up to `seconds`.

    This jitter prevents the jobs of many workers from returning to a provider at the same instant.
    """
    return random.uniform(seconds / 2, seconds)  # noqa: S311  # jitter


class Backoff:
    """Back-off state of one provider; `now` is always event loop time."""

    def __init__(self, jitter: Callable[[float], float] = _above_half) -> None:
        self._jitter = jitter
        self._pause_s = 0.0
        self._floor_s = FIRST_REST_S
        self._failed_at = float("-inf")
        self._back_at = float("-inf")

    def after_failure(self, now: float, *, was_resting: bool) -> float:
        """Return the cooldown in seconds after a request to the provider has failed."""
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
        """Return the cooldown in seconds after a failed probe."""
        self._grow()
        return self._jitter(self._pause_s)

    def came_back(self, now: float) -> None:
        """Record that the provider may serve again."""
        self._back_at = now

    def _grow(self) -> None:
        longest = max(REST_S, self._floor_s)
        self._pause_s = min(max(2 * self._pause_s, FIRST_REST_S), longest)
