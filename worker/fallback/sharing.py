"""Exchange of provider states between a chain and the other jobs of this worker."""

from __future__ import annotations

from typing import Any

from worker.fallback.member import Member
from worker.fallback.shared_breaker import BreakerRecord, SharedBreaker


class Sharing:
    """One chain's access to the shared breaker. Without a breaker, nothing is read or written.

    A member without a probe runs in this process, so its state is not shared.
    """

    def __init__(self, resource: str, breaker: SharedBreaker | None) -> None:
        self._resource = resource
        self._breaker = breaker

    def news_of(self, member: Member[Any]) -> BreakerRecord | None:
        """Return another job's record of a member; None if this job knows the record already."""
        if self._breaker is None or member.probe is None:
            return None
        record = self._breaker.read(self._resource, member.name)
        if record is None or record == member.record:
            return None
        member.record = record
        return record

    def seconds_left(self, record: BreakerRecord) -> float:
        """Return the remaining seconds for which a record asks jobs not to call the provider."""
        now = self._breaker.clock() if self._breaker is not None else record.until
        return max(0.0, record.until - now)

    def tell_failure(self, member: Member[Any], seconds: float) -> None:
        """Publish a member's failure, so that other jobs do not call the member for `seconds`."""
        if self._breaker is None or member.probe is None or member.failure is None:
            return
        now, reason, old = self._breaker.clock(), member.failure.reason, member.record
        same = old is not None and not old.ready and old.reason == reason
        self._tell(
            member,
            BreakerRecord(
                reason=reason,
                since=old.since if old is not None and same else now,
                until=now + seconds,
                for_good=member.failure.for_good,
            ),
        )

    def tell_recovery(self, member: Member[Any]) -> None:
        """Publish that a member may be called again."""
        if self._breaker is not None and member.probe is not None:
            self._tell(member, BreakerRecord(reason="Recovered", since=self._breaker.clock()))

    def _tell(self, member: Member[Any], record: BreakerRecord) -> None:
        member.record = record
        if self._breaker is not None:
            self._breaker.write(self._resource, member.name, record)
