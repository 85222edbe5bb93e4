"""The lifecycle of a running job, without the rest of the job."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from states import Condition, Event, Lifecycle, MemoryJournal, Status

if TYPE_CHECKING:
    from worker.resources.resource import LoadReport

HEADER: dict[str, Any] = {
    "job_id": "AJ_1",
    "interview_id": "one",
    "room": "room-1",
    "worker_id": "AW_1",
    "pid": 7,
}


class RunningJob:
    """A lifecycle that a test can take to RUNNING and whose conditions it can await."""

    def __init__(self) -> None:
        self.life = Lifecycle(journal=MemoryJournal(), header=HEADER)
        self._moved = asyncio.Event()
        self.life.subscribe(lambda _: self._moved.set())

    async def __aenter__(self) -> RunningJob:
        self.life.start()
        await self.life.fire(Event.ROOM_CONNECTED)
        await self.life.fire(Event.BOOTSTRAP_STARTED)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.life.stop()

    async def report(self, report: LoadReport) -> None:
        """Fire the report of one loader."""
        await self.life.fire(Event.LOADER_REPORTED, report.condition())

    async def run(self) -> None:
        """Fire the end of loading and the start of the session."""
        await self.life.fire(Event.LOADERS_SETTLED)
        await self.life.fire(Event.SESSION_STARTED)

    async def run_with_database(self) -> None:
        """Enter RUNNING with an available database as the only resource."""
        ready = Condition(resource="database", status=Status.READY, reason="Loaded")
        await self.life.fire(Event.LOADER_REPORTED, ready)
        await self.run()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of the job's journal."""
        journal = self.life.journal
        assert isinstance(journal, MemoryJournal)
        return journal.records

    def says(self, text: str) -> None:
        """Append a turn of the candidate to the journal."""
        self.life.journal.append("turn", self.life.t, speaker="candidate", text=text)

    async def database_is(self, status: Status) -> Condition:
        """Wait until the condition `database` has this status; return the condition."""
        while True:
            self._moved.clear()
            for condition in self.life.conditions:
                if (condition.resource, condition.status) == ("database", status):
                    return condition
            await self._moved.wait()
