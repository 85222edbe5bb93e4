"""The cooldowns and probes of a fallback chain's members, coordinated with the other jobs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from worker.fallback.failure import Failure
from worker.fallback.member import Member
from worker.fallback.member_state import MemberState
from worker.fallback.probe import PROBE_BUDGET_S, Probe
from worker.fallback.sharing import Sharing

#: For this many seconds after a provider served this job, the job ignores temporary failures of
#: that provider that other jobs report. So the interviewer's voice does not change needlessly.
_OWN_EVIDENCE_S: Final = 10.0
#: Maximum seconds by which a cooldown that another job reported is extended at random, so that the
#: jobs do not probe the same provider at the same time.
_SPREAD_S: Final = 0.3


class Cooldowns:
    """Starts and ends the cooldowns of the members of one fallback chain.

    Args:
        sharing: Exchanges the states of the members with the other jobs of the worker.
        on_recovered: Called when a member may serve again.
        on_refused: Called with a member whose probe failed permanently, and the failure.
    """

    def __init__(
        self,
        sharing: Sharing,
        *,
        on_recovered: Callable[[Member[Any]], None],
        on_refused: Callable[[Member[Any], Failure], None],
    ) -> None:
        self._sharing = sharing
        self._on_recovered = on_recovered
        self._on_refused = on_refused
        self._closed = False

    def close(self) -> None:
        """Prevent further timers and probes."""
        self._closed = True

    def begin(self, member: Member[Any], seconds: float) -> None:
        """Let the member cool down for `seconds`, and let the other jobs know."""
        self._start_timer(member, seconds)
        self._sharing.tell_failure(member, seconds)

    def _start_timer(self, member: Member[Any], seconds: float) -> None:
        over = None if self._closed else partial(self._cooldown_over, member)
        member.start_timer(seconds, over)

    def _cooldown_over(self, member: Member[Any]) -> None:
        member.timer = None
        if member.probe is None:
            member.cooldown_over()
            self._on_recovered(member)
        elif member.probing is None or member.probing.done():
            name = f"probe-{member.name}"
            member.probing = asyncio.create_task(self._probe(member, member.probe), name=name)

    async def _probe(self, member: Member[Any], probe: Probe) -> None:
        self.look_at(member)
        if not member.is_cooling or member.timer is not None:
            return  # another job probes, or the member has recovered
        # Tell the other jobs that a probe is running.
        self._sharing.tell_failure(member, PROBE_BUDGET_S)
        try:
            async with asyncio.timeout(PROBE_BUDGET_S):
                await probe()
        except Exception as error:  # a probe may fail with any network error
            self._probe_failed(member, error)
        else:
            if member.probe_succeeded():  # else the member was refused or has served since
                self._on_recovered(member)
                self._sharing.tell_recovery(member)

    def _probe_failed(self, member: Member[Any], error: Exception) -> None:
        failure = member.judge(error)
        if failure.for_good:
            self._on_refused(member, failure)
        elif member.probe_failed(failure):  # else the member has served since
            seconds = max(member.backoff.after_probe(), failure.retry_after_s or 0.0)
            self.begin(member, seconds)

    def look_at(self, member: Member[Any]) -> None:
        """Update the member's state from a record that another job wrote since the last call."""
        if self._closed or member.state is MemberState.DISABLED:
            return
        record = self._sharing.news_of(member)
        if record is None:
            return
        if record.ready:
            if member.ready_elsewhere():
                self._on_recovered(member)
            return
        now = asyncio.get_running_loop().time()
        if not record.for_good and now - member.served_at < _OWN_EVIDENCE_S:
            return
        # After the time `until` of another job's record, a permanent failure in the record counts
        # as temporary, so that the member is tried if no healthy member is left.
        seconds = self._sharing.seconds_left(record)
        member.failed_elsewhere(Failure(record.reason, for_good=record.for_good and seconds > 0))
        # The jitter wakes the waiting jobs one after the other, so that only the first job probes.
        self._start_timer(member, seconds + random.uniform(0.0, _SPREAD_S))  # noqa: S311  # jitter
