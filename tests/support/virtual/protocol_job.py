"""Simulated interviewer of `protocol_world`, with the real lifecycle, lease and shipper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from states import Event, Lifecycle, MemoryJournal, State
from states.testing import loaded, pending
from tests.support.virtual.memory_leases import LEASE_S, ROOM, SCOPE
from tests.support.virtual.protocol_parts import Process
from worker.aio.tasks import cancel_and_wait
from worker.continuity.job_lease import JobLease
from worker.journal.shipper import JournalShipper
from worker.resources.resource import LoadFailed

if TYPE_CHECKING:
    from tests.support.virtual.protocol_world import Worker, World


class Job:
    """One interviewer, with the parts of a job that its lease uses."""

    def __init__(self, world: World, worker: Worker, number: int) -> None:
        self.world = world
        self.worker = worker
        self.job_id = f"AJ_{number}"
        self.identity = f"interviewer-{self.job_id}"
        self.process = Process()
        self.life = Lifecycle(
            journal=MemoryJournal(), header={"job_id": self.job_id, "interview_id": "iv-1"}
        )
        self.silent = False
        self.in_room = True
        self.transport = cast(Any, self)
        self.line = self.recorder = self.transport
        self._moved = asyncio.Event()
        self._lease = JobLease(
            "iv-1",
            job_id=self.job_id,
            room=ROOM,
            identity=self.identity,
            lease_s=LEASE_S,
            scope=SCOPE,
        )

    @property
    def speaks(self) -> bool:
        """True while the candidate and this interviewer can hear each other."""
        alive = not (self.process.stopped or self.process.dead)
        running = self.life.state is State.RUNNING
        return alive and running and self.in_room and not self.silent

    # --- the parts of a job that JobLease uses ------------------------------------------------

    async def announce(self, attributes: Mapping[str, str]) -> None:
        """Publish attributes to the room."""
        await self.process.turn()
        self.world.show(self, attributes)

    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """Return the attributes of the other interviewers, by identity."""
        others = self.world.shown.items()
        return {identity: shown for identity, shown in others if identity != self.identity}

    async def candidate_moved(self) -> None:
        """Wait until a participant joins, leaves, or changes its attributes."""
        self._moved.clear()
        await self._moved.wait()
        await self.process.turn()

    def silence(self) -> None:
        """Mute this interviewer."""
        self.silent = True

    def fault(self, where: str, error: Exception) -> None:
        """Fail the test: the real code must not report a fault."""
        raise AssertionError(where) from error

    def refusal(self, *_: str) -> None:
        """Do nothing; a real job records the refusal."""

    def moved(self) -> None:
        """Signal that a participant joined, left, or changed its attributes."""
        self._moved.set()

    # --- lifecycle ----------------------------------------------------------------------------

    async def live(self) -> None:
        """Run from the handshake to the end, as long as the process lives."""
        async with self.life, self._shipped():
            await self.life.fire(Event.ROOM_CONNECTED)
            await self.life.fire(Event.BOOTSTRAP_STARTED, pending("orchestrator", required=True))
            try:
                await self._lease.take(cast(Any, self))
            except LoadFailed as failed:
                await self.life.fire(failed.event or Event.ORCHESTRATOR_FAILED)
            else:
                await self._run()
            await self.life.fire(Event.CLOSED)
            self.world.leave(self)
            await self.worker.ended(self)

    async def _run(self) -> None:
        await self.life.fire(Event.LOADER_REPORTED, loaded("orchestrator", required=True))
        await self.life.fire(Event.LOADERS_SETTLED)
        await self.life.fire(Event.SESSION_STARTED)
        async with self._lease.guarded(cast(Any, self), self._database):
            await self.life.reached(State.CLOSING)

    def _database(self) -> Any:
        """Return None while the process is stopped: a stopped process sends no query."""
        return None if self.process.stopped else self

    @asynccontextmanager
    async def _shipped(self) -> AsyncIterator[None]:
        shipping = asyncio.create_task(JournalShipper(self.life, cast(Any, self)).run())
        try:
            yield
        finally:
            await cancel_and_wait(shipping)

    def hear(self, answer: int) -> None:
        """Append a committed turn of the candidate to the journal."""
        self.life.journal.append("turn", self.life.t, speaker="candidate", answer=answer)
