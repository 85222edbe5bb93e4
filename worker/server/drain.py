"""Shutdown of a worker: drain, then hand over the interviews that are still running."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Final, Protocol

from worker.aio.tasks import cancel_and_wait
from worker.job.signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL
from worker.server.drain_state import (
    DRAIN_TRANSITIONS,
    DrainedJob,
    DrainEvent,
    DrainState,
    JobEvent,
    JobState,
)
from worker.server.slot_search import SlotSearch

if TYPE_CHECKING:
    import signal

    from worker.config.settings import Settings
    from worker.store.workers import Reserved

logger = logging.getLogger(__name__)

#: Seconds between two log lines about the progress of the drain.
_REPORT_EVERY_S: Final = 5.0
#: Seconds between two checks whether another worker can take over an interview.
_LOOK_EVERY_S: Final = 2.0
#: Seconds from the end of a job that was handed over until the other worker has certainly reported
#: the used slot. The time covers the dispatch of the next interviewer, and the second between two
#: heartbeats of a worker.
_SEEN_AFTER_S: Final = 4.0
#: Maximum seconds that the drain waits for the framework to start a process for an accepted job.
#: The framework gives up such a job after 12 s.
_GIVEN_TO_S: Final = 15.0
#: Maximum seconds that the drain waits for a free slot, if the other workers have none or cannot be
#: queried. During the wait LiveKit or the database may become available again, or an interview of
#: another worker may end.
SEAT_WAIT_S: Final = 10.0


class DrainingServer(Protocol):
    """The part of the AgentServer that the drain uses."""

    async def finish_jobs(self) -> None:
        """Accept no further jobs, and return once every job has ended."""
        ...

    def tell_jobs(self, word: signal.Signals, jobs: Collection[str]) -> None:
        """Send a signal to the processes of the jobs whose ids are in `jobs`."""
        ...


class Drain:
    """The drain of one worker, from the stop request until the worker waits for no job any more.

    Args:
        settings: How long jobs may continue, and the policy for jobs that no worker can take over.
        server: The server that runs the jobs.
        jobs: Returns the ids of the jobs that have a process.
        reserve: Reserves up to the given number of free slots of other workers, for the given
            seconds. Returns None if the other workers are not known.
    """

    def __init__(
        self,
        settings: Settings,
        server: DrainingServer,
        *,
        jobs: Callable[[], list[str]],
        reserve: Callable[[int, float], Awaitable[Reserved | None]],
    ) -> None:
        self._settings = settings
        self._server = server
        self._jobs = jobs
        # Reserve a slot until the job that is handed over has ended, and the other worker has
        # reported the slot as used.
        for_s = settings.budget_closing_s + settings.cleanup_s + _SEEN_AFTER_S
        self._search = SlotSearch(
            lambda wanted: reserve(wanted, for_s),
            is_shared=bool(settings.database_url.get_secret_value()),
            keeps=settings.no_successor == "keep",
            longest_s=SEAT_WAIT_S,
        )
        self._state = DrainState.ACCEPTING
        #: Event that ends the current wait of the drain, so that the drain acts on a stop request.
        self._woken = asyncio.Event()
        self._drained_at: float | None = None
        #: Progress of each job in the drain, by job id. Jobs that have ended remain in the mapping.
        self._drained: defaultdict[str, DrainedJob] = defaultdict(DrainedJob)

    @property
    def state(self) -> DrainState:
        """Progress of the drain, from ACCEPTING to ENDING."""
        return self._state

    @property
    def left_s(self) -> float | None:
        """Seconds until running interviews are handed over; None before the drain."""
        if self._drained_at is None:
            return None
        return max(0.0, self._drained_at - asyncio.get_running_loop().time())

    def hurry(self) -> None:
        """Hand the jobs over before the drain time is over; on the second call, end the jobs."""
        # Wake the drain only if the state changes: after the drain time, the handover has already
        # begun.
        wakes = self._state is not DrainState.HANDING_OVER
        if self._enter(DrainEvent.STOP_REPEATED) and wakes:
            self._woken.set()

    def _enter(self, event: DrainEvent) -> bool:
        """Make the transition for `event`; return False if DRAIN_TRANSITIONS has none."""
        target = DRAIN_TRANSITIONS.get((self._state, event))
        self._state = target or self._state
        return target is not None

    async def run(self) -> None:
        """Return once each job has ended, or has exceeded the time limit after its last signal."""
        self._enter(DrainEvent.STARTED)
        drain_s = self._settings.drain_s
        self._drained_at = asyncio.get_running_loop().time() + drain_s
        logger.info(
            "the worker is draining",
            extra={"event": "worker_draining", "jobs": len(self._jobs()), "longest_s": drain_s},
        )
        gone = asyncio.create_task(self._finish_jobs(), name="finish-jobs")
        reporting = asyncio.create_task(self._report(), name="report-drain")
        try:
            await _first_of(gone, self._woken, timeout_s=drain_s)
            self._enter(DrainEvent.TIME_OVER)
            self._drained_at = asyncio.get_running_loop().time()
            await self._send_away(gone)
        finally:
            await cancel_and_wait(gone, reporting)

    async def _finish_jobs(self) -> None:
        try:
            await self._server.finish_jobs()
        except Exception:  # any error, because it must not end running interviews
            logger.exception(
                "waiting for jobs failed, so the drain polls the job list instead",
                extra={"event": "drain_wait_failed"},
            )
            while self._jobs():  # noqa: ASYNC110 - no event signals the end of the jobs
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            told = sum(job.state is not JobState.RUNNING for job in self._drained.values())
            logger.info(
                "the worker is still draining",
                extra={
                    "event": "worker_still_draining",
                    "jobs": len(self._jobs()),
                    "left_s": round(self.left_s or 0.0),
                    "told_to_leave": told,
                },
            )

    async def _send_away(self, gone: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        busy_at = loop.time()
        while not gone.done():
            self._woken.clear()
            running = self._jobs()
            busy_at = loop.time() if running else busy_at
            if self._state is DrainState.ENDING:
                self._tell(JobEvent.END, running)
            elif waiting := [j for j in running if self._drained[j].state is JobState.RUNNING]:
                await self._find_room(waiting)
            if running and all(self._drained[job].must_end_at <= loop.time() for job in running):
                break  # every remaining job has taken longer than is allowed after its signal
            if self._state is DrainState.ENDING and not running:
                break
            if loop.time() - busy_at > _GIVEN_TO_S:
                logger.error(
                    "an accepted job never got a process, so the drain ignores the job",
                    extra={"event": "job_without_process"},
                )
                break
            await _first_of(gone, self._woken, timeout_s=_LOOK_EVERY_S)

    async def _find_room(self, waiting: list[str]) -> None:
        found = await self._search.look(len(waiting))
        if self._state is DrainState.ENDING:
            # A stop request to end the jobs came while slots were being reserved. The reservation
            # is not used, and expires.
            return
        slots = found.slots if found is not None else 0
        self._tell(JobEvent.HANDOVER, waiting[:slots])
        alone = waiting[slots:]
        if alone and self._search.must_close(found, len(alone)):
            self._tell(JobEvent.END, alone)

    def _tell(self, event: JobEvent, jobs: list[str]) -> None:
        """Send the signal of `event` to those of `jobs` whose state allows the signal."""
        jobs = [job for job in jobs if self._drained[job].may_get(event)]
        if not jobs:
            return
        if event is JobEvent.HANDOVER:
            word, budget_s = HANDOVER_SIGNAL, self._settings.budget_closing_s
            logger.info(
                "the worker is handing over running jobs",
                extra={"event": "jobs_handing_over", "jobs": len(jobs)},
            )
        else:
            word, budget_s = SHUTDOWN_SIGNAL, self._settings.hurried_closing_s
            logger.info(
                "the worker is ending running jobs",
                extra={"event": "jobs_ending", "jobs": len(jobs)},
            )
        must_end_at = asyncio.get_running_loop().time() + budget_s + self._settings.cleanup_s
        for job in jobs:
            self._drained[job].tell(event, must_end_at=must_end_at)
        self._server.tell_jobs(word, jobs)


async def _first_of(task: asyncio.Task[None], event: asyncio.Event, *, timeout_s: float) -> None:
    """Return when the task is done, the event is set, or `timeout_s` seconds have passed."""
    waiting = asyncio.create_task(event.wait(), name="wait")
    try:
        await asyncio.wait({task, waiting}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
