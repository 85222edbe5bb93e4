"""Back-off of a provider after temporary failures."""

from __future__ import annotations

from worker.aio.backoff import ExponentialBackoff

#: The first cooldown of a provider that has failed, in seconds. After each failed probe the next
#: cooldown is twice as long, but at most `REST_S`.
FIRST_REST_S = 1.0
#: The longest cooldown in seconds between two probes of an unavailable provider.
REST_S = 30.0
#: Seconds after a provider's recovery within which a failure counts as a relapse. A relapse
#: lengthens the cooldown, because a successful probe proves less than a real request, and every
#: relapse delays the candidate's turn by one timeout.
_STEADY_S = 60.0
#: Factor by which each relapse lengthens the first cooldown.
_RELAPSE_FACTOR = 4.0
#: Upper limit in seconds of the first cooldown after a relapse.
_LONGEST_RELAPSE_S = 300.0
#: Seconds within which two failures of a provider count as one failure, because two streams can
#: notice the same failure.
_SAME_S = 1.0


class Backoff:
    """Back-off state of one provider; `now` is always event loop time.

    The cooldowns grow exponentially from a first cooldown. Each failure soon after a recovery (a
    relapse) makes the first cooldown longer.
    """

    def __init__(self, jitter: float = 0.5) -> None:
        self._jitter = jitter
        self._failed_at = float("-inf")
        self._back_at = float("-inf")
        self._rest_s = 0.0
        self._begin_at(FIRST_REST_S)

    def after_failure(self, now: float, *, was_resting: bool) -> float:
        """Return the cooldown in seconds after a request to the provider has failed."""
        if not was_resting:
            relapsed = now - self._back_at < _STEADY_S
            longer_s = min(self._first_s * _RELAPSE_FACTOR, _LONGEST_RELAPSE_S)
            self._begin_at(longer_s if relapsed else FIRST_REST_S)
        if not was_resting or now - self._failed_at > _SAME_S:
            self._rest_s = next(self._rests)
        self._failed_at = now
        return self._rest_s

    def after_probe(self) -> float:
        """Return the cooldown in seconds after a failed probe."""
        self._rest_s = next(self._rests)
        return self._rest_s

    def came_back(self, now: float) -> None:
        """Record that the provider may serve again."""
        self._back_at = now

    def _begin_at(self, first_s: float) -> None:
        longest_s = max(REST_S, first_s)
        limits = ExponentialBackoff(first_s=first_s, longest_s=longest_s, jitter=self._jitter)
        self._first_s, self._rests = first_s, limits.delays()
