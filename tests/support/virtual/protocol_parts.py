"""The database and the processes of a protocol world, on the event loop's time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.virtual.memory_leases import MemoryLeases
from worker.store.stranded import Stranded

_KILLED: Final = "ProcessKilled"


def now_s() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


class Leases(MemoryLeases):
    """The memory's leases on the loop's clock, and the rows of turns beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = False
        #: By job and sequence number: which answer it is.
        self.stored: dict[tuple[str, int], int] = {}
        #: When the database went away, and came back.
        self.outages: list[list[float]] = []
        #: When a lease was taken for expired, and whose.
        self.expiries: list[float] = []

    @property
    def now(self) -> float:
        """The database's clock."""
        return 100.0 + now_s()

    @now.setter
    def now(self, _: float) -> None:
        """It is not moved by hand here."""

    @property
    def why(self) -> str | None:
        """A job that failed is worth another try at once."""
        return _KILLED if self.failed and self.job is None else super().why

    def go(self, *, away: bool) -> None:
        """The database goes away, or comes back."""
        if away and not self.away:
            self.outages.append([now_s(), float("inf")])
        elif self.away and not away:
            self.outages[-1][1] = now_s()
        self.away = away

    async def take_lease(self, database: object, which: str, *, job_id: str, **_: float) -> int:
        """As memory has it; an expiry is noted."""
        before, expired = self.job, self.expired
        token = await super().take_lease(database, which, job_id=job_id)
        if before not in (None, job_id) and expired:
            self.expiries.append(now_s())
        self.failed = False
        return token

    async def claim(self, found: Stranded) -> int | None:
        """As memory has it; an expiry is noted."""
        expired = self.expired
        token = await super().claim(found)
        if token is not None:
            self.failed = False
            if expired:
                self.expiries.append(now_s())
        return token

    async def ship(
        self, _: object, header: Any, records: Sequence[Mapping[str, Any]], **__: float
    ) -> None:
        """Stands in for `store.jobs.ship`: a repeat does nothing."""
        await asyncio.sleep(0.01)
        self._ask()
        for record in records:
            if record["kind"] == "turn":
                self.stored.setdefault((header.job_id, record["seq"]), record["answer"])

    def end(self, job_id: str, *, failed: bool) -> None:
        """A job's end is stored; that of one whose token is old changes nothing."""
        self._ask()
        if self.job == job_id:
            self.job, self.running, self.failed = None, False, failed


@dataclass(kw_only=True)
class Process:
    """A worker's main process, or a job's."""

    stopped: bool = False
    dead: bool = False
    stopped_at: float = 0.0
    _going: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._going.set()

    def stop(self) -> None:
        """SIGSTOP."""
        if not self.stopped:
            self.stopped, self.stopped_at = True, now_s()
            self._going.clear()

    def go_on(self) -> None:
        """SIGCONT."""
        self.stopped = False
        self._going.set()

    async def turn(self) -> None:
        """Return when this process may do something."""
        await self._going.wait()
