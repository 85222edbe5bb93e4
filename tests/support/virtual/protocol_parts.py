"""Database and processes of `protocol_world`, on the event loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.virtual.memory_leases import MemoryLeases
from worker.store.orphans import OrphanedInterview

_KILLED: Final = "ProcessKilled"


def now_s() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class Leases(MemoryLeases):
    """In-memory leases on the loop's clock, with the stored rows of turns."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = False
        #: The number of each stored answer, by job and sequence number.
        self.stored: dict[tuple[str, int], int] = {}
        #: Start and end of each outage of the database.
        self.outages: list[list[float]] = []
        #: When an expired lease was taken over or claimed.
        self.expiries: list[float] = []

    @property
    def now(self) -> float:
        """The database's clock."""
        return 100.0 + now_s()

    @now.setter
    def now(self, _: float) -> None:
        """Ignore the value: the loop's clock cannot be set."""

    @property
    def why(self) -> str | None:
        """The reason for a redispatch, which is due at once after a failed job."""
        return _KILLED if self.failed and self.job is None else super().why

    def go(self, *, away: bool) -> None:
        """Make the database unavailable, or available again."""
        if away and not self.away:
            self.outages.append([now_s(), float("inf")])
        elif self.away and not away:
            self.outages[-1][1] = now_s()
        self.away = away

    async def take_lease(self, database: object, which: str, *, job_id: str, **_: object) -> int:
        """Take the lease as `MemoryLeases` does, and record an expiry."""
        before, expired = self.job, self.expired
        token = await super().take_lease(database, which, job_id=job_id)
        if before not in (None, job_id) and expired:
            self.expiries.append(now_s())
        self.failed = False
        return token

    async def claim(self, found: Sequence[OrphanedInterview]) -> dict[str, int]:
        """Claim the dispatch as `MemoryLeases` does, and record an expiry."""
        expired = self.expired
        claimed = await super().claim(found)
        if claimed:
            self.failed = False
            if expired:
                self.expiries.append(now_s())
        return claimed

    async def ship(
        self, _: object, header: Any, records: Sequence[Mapping[str, Any]], **__: float
    ) -> None:
        """Ingest records in place of `store.jobs.ship`; a repeated record changes nothing."""
        await asyncio.sleep(0.01)
        self._ask()
        for record in records:
            if record["kind"] == "turn":
                self.stored.setdefault((header.job_id, record["seq"]), record["answer"])

    def end(self, job_id: str, *, failed: bool) -> None:
        """Store a job's end; the end of a job that lost the lease changes nothing."""
        self._ask()
        if self.job == job_id:
            self.job, self.running, self.failed = None, False, failed


@dataclass(kw_only=True)
class Process:
    """The main process of a worker, or the process of a job."""

    stopped: bool = False
    dead: bool = False
    stopped_at: float = 0.0
    _going: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._going.set()

    def stop(self) -> None:
        """Simulate SIGSTOP."""
        if not self.stopped:
            self.stopped, self.stopped_at = True, now_s()
            self._going.clear()

    def go_on(self) -> None:
        """Simulate SIGCONT."""
        self.stopped = False
        self._going.set()

    async def turn(self) -> None:
        """Wait until this process is not stopped."""
        await self._going.wait()
