"""Shutdown of a worker: drain, then hand over the interviews that are still running."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Final, Protocol

from states import State
from worker.aio.tasks import cancel_and_wait
from worker.job.signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL

if TYPE_CHECKING:
    import signal

    from worker.config.settings import Settings
    from worker.store.workers import Peers

logger = logging.getLogger(__name__)

#: Seconds between two log lines about the progress of the drain.
_REPORT_EVERY_S: Final = 5.0
#: Seconds between two checks whether another worker can take over an interview.
_LOOK_EVERY_S: Final = 2.0
#: Seconds from the last check that found a job on this worker until the worker that takes over the
#: interview reports its slot as used. This time covers one check interval, the dispatch, and the
#: second between two heartbeats of a worker.
_SEEN_AFTER_S: Final = 4.0
#: Seconds to wait for an accepted job that has no process yet. The framework gives up such a job
#: after 12 s.
_GIVEN_TO_S: Final = 15.0
#: Seconds to wait for a free slot if the other workers have none or cannot be queried. In this
#: time LiveKit or the database may become available again, or an interview of another worker may
#: end.
SEAT_WAIT_S: Final = 10.0


class DrainingServer(Protocol):
    """The part of the AgentServer that the drain uses."""

    async def finish_jobs(self) -> None:
        """Accept no further jobs, and return once every job has ended."""
        ...

    def tell_jobs(self, word: signal.Signals, jobs: Collection[str]) -> None:
        """Send a signal to the processes of these jobs."""
        ...


class Drain:
    """The drain of one worker, from the stop request until the worker waits for no job any more.

    Args:
        settings: How long jobs may continue, and the policy for jobs that no worker can take over.
        server: The server that runs the jobs.
        jobs: Returns the ids of the jobs that have a process.
        others: Returns the other workers; None if they are not known.
    """

    def __init__(
        self,
        settings: Settings,
        server: DrainingServer,
        *,
        jobs: Callable[[], list[str]],
        others: Callable[[], Awaitable[Peers | None]],
    ) -> None:
        self._settings = settings
        self._server = server
        self._jobs = jobs
        self._others = others
        self._shared = bool(settings.database_url.get_secret_value())
        self._hurried = asyncio.Event()
        self._closing = asyncio.Event()
        #: Ids of the jobs that got a signal to end, each with the loop time by which the job must
        #: have ended.
        self._told: dict[str, float] = {}
        self._ended: set[str] = set()
        #: Ids of the jobs that are being handed over, each with the loop time by which the new
        #: worker reports its slot as used.
        self._on_the_way: dict[str, float] = {}
        self._drained_at: float | None = None
        self._said_alone = False
        #: Loop time until which the drain waits for a free slot of another worker.
        self._hopes_until: float | None = None
        self._said_hope = False

    @property
    def left_s(self) -> float | None:
        """Seconds until running interviews are handed over; None before the drain."""
        if self._drained_at is None:
            return None
        return max(0.0, self._drained_at - asyncio.get_running_loop().time())

    def hurry(self) -> None:
        """First call: hand over the jobs before the drain time is over. Second call: end them."""
        if self._hurried.is_set():
            self._closing.set()
        self._hurried.set()

    async def run(self) -> None:
        """Return once every job has ended, or has used up the time allowed after its signal."""
        drain_s = self._settings.drain_s
        self._drained_at = asyncio.get_running_loop().time() + drain_s
        logger.info(
            "the worker is draining",
            extra={"event": "worker_draining", "jobs": len(self._jobs()), "longest_s": drain_s},
        )
        gone = asyncio.create_task(self._finish_jobs(), name="finish-jobs")
        reporting = asyncio.create_task(self._report(), name="report-drain")
        try:
            await _first_of(gone, self._hurried, timeout_s=drain_s)
            self._drained_at = asyncio.get_running_loop().time()
            await self._send_away(gone)
        finally:
            await cancel_and_wait(gone, reporting)

    async def _finish_jobs(self) -> None:
        try:
            await self._server.finish_jobs()
        except Exception:  # an error of the server must not end running interviews
            logger.exception(
                "waiting for jobs failed, so the drain polls the job list instead",
                extra={"event": "drain_wait_failed"},
            )
            while self._jobs():  # noqa: ASYNC110 - no event signals the end of the jobs
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            logger.info(
                "the worker is still draining",
                extra={
                    "event": "worker_still_draining",
                    "jobs": len(self._jobs()),
                    "left_s": round(self.left_s or 0.0),
                    "told_to_leave": len(self._told),
                },
            )

    async def _send_away(self, gone: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        busy_at = loop.time()
        while not gone.done():
            running = self._jobs()
            busy_at = loop.time() if running else busy_at
            if self._closing.is_set():
                self._end([job for job in running if job not in self._ended])
            elif waiting := [job for job in running if job not in self._told]:
                await self._find_room(waiting)
            if running and all(self._told.get(job, math.inf) <= loop.time() for job in running):
                break  # every job has used up the time allowed after its signal
            if self._closing.is_set() and not running:
                break
            if loop.time() - busy_at > _GIVEN_TO_S:
                logger.error(
                    "an accepted job never got a process, so the drain ignores the job",
                    extra={"event": "job_without_process"},
                )
                break
            # Once `_closing` is set, no further stop request can come. Then only `gone` or the
            # timeout ends the wait.
            changed = asyncio.Event() if self._closing.is_set() else self._closing
            await _first_of(gone, changed, timeout_s=_LOOK_EVERY_S)

    async def _find_room(self, waiting: list[str]) -> None:
        loop = asyncio.get_running_loop()
        if self._hopes_until is None:
            self._hopes_until = loop.time() + SEAT_WAIT_S
        others = await self._others()
        seats = max(0, others.seats - self._promised()) if others is not None else 0
        for job in waiting[:seats]:
            self._on_the_way[job] = loop.time() + _SEEN_AFTER_S
        budget_s = self._settings.budgets[State.CLOSING] + self._settings.cleanup_s
        self._tell(HANDOVER_SIGNAL, waiting[:seats], budget_s)
        if not (alone := waiting[seats:]):
            return
        keep = self._settings.no_successor == "keep"
        if not keep and self._may_hope(others):
            return
        if not self._said_alone or not keep:
            self._said_alone = True
            logger.warning(
                "the remaining interviews %s, because no other worker can take them over",
                "continue on this worker" if keep else "are closed",
                extra={"event": "no_worker_takes_over", "jobs": len(alone)},
            )
        if not keep:
            self._end(alone)

    def _may_hope(self, others: Peers | None) -> bool:
        """Return True while the drain should wait for a free slot of another worker."""
        if not (others.workers if others is not None else self._shared):
            return False
        if not self._said_hope:
            self._said_hope = True
            logger.warning(
                "the drain waits, because no other worker is known to have a free slot",
                extra={"event": "drain_waits_for_slot", "longest_s": SEAT_WAIT_S},
            )
        return asyncio.get_running_loop().time() < (self._hopes_until or 0.0)

    def _promised(self) -> int:
        """Return how many free slots of other workers the jobs being handed over will use."""
        now = asyncio.get_running_loop().time()
        for job in self._on_the_way.keys() & set(self._jobs()):
            self._on_the_way[job] = now + _SEEN_AFTER_S
        return sum(until > now for until in self._on_the_way.values())

    def _end(self, jobs: list[str]) -> None:
        budget_s = self._settings.hurried_closing_s + self._settings.cleanup_s
        self._ended.update(jobs)
        self._tell(SHUTDOWN_SIGNAL, jobs, budget_s)

    def _tell(self, word: signal.Signals, jobs: list[str], within_s: float) -> None:
        if not jobs:
            return
        if word is HANDOVER_SIGNAL:
            logger.info(
                "the worker is handing over running jobs",
                extra={"event": "jobs_handing_over", "jobs": len(jobs)},
            )
        else:
            logger.info(
                "the worker is ending running jobs",
                extra={"event": "jobs_ending", "jobs": len(jobs)},
            )
        until = asyncio.get_running_loop().time() + within_s
        self._told.update(dict.fromkeys(jobs, until))
        self._server.tell_jobs(word, jobs)


async def _first_of(task: asyncio.Task[None], event: asyncio.Event, *, timeout_s: float) -> None:
    """Return when the task is done, the event is set, or `timeout_s` seconds have passed."""
    waiting = asyncio.create_task(event.wait(), name="wait")
    try:
        await asyncio.wait({task, waiting}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
