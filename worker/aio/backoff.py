"""Exponential back-off with jitter: the delays between the attempts of one operation."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExponentialBackoff:
    """Parameters of the delays between attempts: first delay, maximum, growth factor and jitter.

    No retry library such as stamina is used, because such a library controls the whole retry loop.
    The retry loops of this project differ in how they end, restart and wait, and share only the
    delays.
    """

    #: Maximum delay in seconds before the second attempt. `jitter` shortens this delay.
    first_s: float
    #: Limit in seconds up to which later delays grow.
    longest_s: float
    #: Factor by which each delay is longer than the previous delay.
    factor: float = 2.0
    #: Share of each delay that is random, from 0 to 1: with 0.5, a delay is between half of its
    #: maximum and the maximum. Random delays keep many workers or jobs from retrying all at once.
    jitter: float = 0.5

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before each further attempt, without end.

        A new iterator begins with the first delay, so a caller calls this method again after a
        success.
        """
        delay_s = self.first_s
        while True:
            shortest_s = delay_s * (1 - self.jitter)
            yield random.uniform(shortest_s, delay_s)  # noqa: S311  # spreads load, guards nothing
            delay_s = min(delay_s * self.factor, self.longest_s)


def jittered(seconds: float, *, share: float = 0.1) -> float:
    """Return a random time that differs from `seconds` by at most `share` of `seconds`.

    Without jitter, the periodic work of many workers or jobs would stay synchronized after an event
    that reached all of them, such as a restart of the database.
    """
    return random.uniform(seconds * (1 - share), seconds * (1 + share))  # noqa: S311  # as above


def spread(seconds: float) -> float:
    """Return a random delay of up to `seconds` before work that many processes would begin at once.

    All workers of a fleet may start at the same time, for example after a deployment.
    """
    return random.uniform(0.0, seconds)  # noqa: S311  # as above
