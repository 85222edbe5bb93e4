"""Outcomes of the worker's lease renewals, for metrics and health."""

from __future__ import annotations

import time
from collections.abc import Callable


class LeaseRenewals:
    """Detects from the lease renewals of the jobs whether the worker still reaches its database.

    Args:
        lease_s: Lease duration in seconds.
        on_failed: Called for each renewal that failed.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        lease_s: float,
        *,
        on_failed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease_s = lease_s
        self._on_failed = on_failed
        self._clock = clock
        #: Time of the last successful renewal. Before the first success, the time of the first
        #: attempt; None before the first attempt.
        self._renewed_at: float | None = None

    def record(self, succeeded: bool) -> None:
        """Record that an attempt to renew the leases succeeded or failed."""
        if succeeded or self._renewed_at is None:
            self._renewed_at = self._clock()
        if not succeeded:
            self._on_failed()

    @property
    def age_s(self) -> float | None:
        """Seconds since the last successful renewal; None before the first attempt.

        Before the first successful renewal, the seconds count from the first attempt.
        """
        return None if self._renewed_at is None else self._clock() - self._renewed_at

    @property
    def overdue(self) -> bool:
        """True if no renewal has succeeded for a whole lease, so that the leases have expired."""
        return (age_s := self.age_s) is not None and age_s > self._lease_s
