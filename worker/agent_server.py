"""livekit's AgentServer, with what it has no public way for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Collection
from typing import Any, Final

from livekit.agents import AgentServer
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.agents.utils.aio import ChanClosed
from livekit.protocol import agent

logger = logging.getLogger(__name__)

#: The load of a worker that takes no jobs: above every `agents.target_load` there can be.
CLOSED_LOAD: Final = 1.0


class JobServer(AgentServer):
    """Says at once whether it takes jobs, and shows its process pool before the first process.

    Args:
        takes_jobs: Asked whenever LiveKit is told of the worker's status.
        on_pool: Given the pool, which has made no process yet: `worker_started` comes only when
            the first processes are ready, or after 12 s without any.
        options: The AgentServer's.
    """

    def __init__(
        self,
        *,
        takes_jobs: Callable[[], bool],
        on_pool: Callable[[ProcPool], None],
        **options: Any,
    ) -> None:
        self._takes_jobs = takes_jobs
        self._on_pool = on_pool
        self._registered = False
        super().__init__(**options)
        self.on("worker_registered", self._on_registered)

    def _on_registered(self, *_: object) -> None:
        self._registered = True

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_proc_pool":
            self._on_pool(value)

    @property
    def connected(self) -> bool:
        """Whether LiveKit knows this worker at this moment."""
        return self._registered and not self._connecting and not self._connection_failed

    @property
    def job_pids(self) -> dict[str, int | None]:
        """The jobs that have a process, and its pid."""
        pool = vars(self).get("_proc_pool")  # made once it serves
        running = [(proc.running_job, proc) for proc in pool.processes] if pool else []
        return {each.job.id: getattr(proc, "pid", None) for each, proc in running if each}

    def tell_jobs(self, word: signal.Signals, jobs: Collection[str]) -> None:
        """Give the processes of these jobs this signal."""
        for job, pid in self.job_pids.items():
            if job in jobs and pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, word)

    async def end_jobs(self, word: signal.Signals, *, within_s: float) -> None:
        """Give the processes of running jobs this signal, and so many seconds to end by it."""
        procs = [proc for proc in self._proc_pool.processes if proc.running_job is not None]
        if procs:
            logger.info("ending running jobs", extra={"jobs": len(procs)})
            self.tell_jobs(word, self.job_pids)
            joins = [asyncio.create_task(proc.join()) for proc in procs]
            await asyncio.wait(joins, timeout=within_s)

    async def finish_jobs(self) -> None:
        """Take no more jobs, and return once none is left.

        Not the framework's `drain` (1.8.9). Where two processes end within a turn of the event
        loop it asks after the second one for ever, and never gives the loop the turn in which that
        one is taken off the list. And one that is given up cancels the jobs that are just being
        given to a process.
        """
        async with self._lock:  # held while it starts
            self._draining = True
            with contextlib.suppress(ChanClosed):
                await self._update_worker_status()
        if self._job_lifecycle_tasks:
            await asyncio.wait(set(self._job_lifecycle_tasks))
        while procs := [proc for proc in self._proc_pool.processes if proc.running_job is not None]:
            await asyncio.gather(*(proc.join() for proc in procs), return_exceptions=True)
            await asyncio.sleep(0)

    async def tell_status(self) -> None:
        """Tell LiveKit now whether jobs are taken, not only with the next report (2.5 s)."""
        # Half a second old by now, and LiveKit sends nobody to a load that is no more.
        await self._refresh_worker_load()
        with contextlib.suppress(ChanClosed):
            await self._update_worker_status()

    async def _update_worker_status(self) -> None:
        # The framework's own way is a load threshold, which it also sizes its pool by.
        if self._takes_jobs() or self.draining:
            await super()._update_worker_status()
            return
        update = agent.UpdateWorkerStatus(
            load=CLOSED_LOAD,
            status=agent.WorkerStatus.WS_FULL,
            job_count=len(self.active_jobs),
        )
        with contextlib.suppress(ChanClosed):
            await self._queue_msg(agent.WorkerMessage(update_worker=update))
