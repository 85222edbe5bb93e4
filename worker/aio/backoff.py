"""Exponential back-off with jitter: the delays between the attempts of one operation."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExponentialBackoff:
    """Limits of the delays between attempts.

    No retry library such as stamina is used, because such a library wraps a call and counts the
    attempts. The loops of this project that use this class end, start over and wait in different
    ways, and share only the delays.
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

        A new iterator begins with the first delay. So a caller whose operation has succeeded calls
        this method again.
        """
        delay_s = self.first_s
        while True:
            shortest_s = delay_s * (1 - self.jitter)
            yield random.uniform(shortest_s, delay_s)  # noqa: S311  # spreads load, guards nothing
            delay_s = min(delay_s * self.factor, self.longest_s)


def jittered(seconds: float, *, share: float = 0.1) -> float:
    """Return a random time of about `seconds`: at most `share` of it shorter or longer.

    Periodic work of many workers or jobs would otherwise stay in step after an event that reached
    all of them, such as a restart of the database.
    """
    return random.uniform(seconds * (1 - share), seconds * (1 + share))  # noqa: S311  # as above


def spread(seconds: float) -> float:
    """Return a random time of at most `seconds`, after which one of many begins what all do.

    All workers of a fleet may start at the same time, for example after a deployment.
    """
    return random.uniform(0.0, seconds)  # noqa: S311  # as above
