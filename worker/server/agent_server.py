"""`AgentServer` subclass with functions that LiveKit's public API does not offer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Collection
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Any, Final, cast

from livekit.agents import AgentServer
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.agents.utils.aio import ChanClosed
from livekit.agents.utils.http_server import HttpServer
from livekit.protocol import agent

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

logger = logging.getLogger(__name__)

#: Load reported by a worker that takes no jobs: above every possible `agents.target_load`.
CLOSED_LOAD: Final = 1.0


class Registration(StrEnum):
    """Progress of this worker's registration with LiveKit. The first value is NOT_BEGUN."""

    #: The server has not started.
    NOT_BEGUN = auto()
    #: The server has started, and no process for a job is prepared yet.
    AWAITING_PROCESS = auto()
    #: The server connects for the first time.
    CONNECTING = auto()
    #: LiveKit has accepted the registration at least once.
    REGISTERED = auto()


class _WatchedContext:
    """A multiprocessing context that calls a function before it creates a process."""

    def __init__(self, context: BaseContext, before: Callable[[], None]) -> None:
        self._context = context
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802  # its name there
        """Call the function, then create a process, which the caller starts later."""
        self._before()
        process: BaseProcess = self._context.Process(*args, **kwargs)  # type: ignore[attr-defined]
        return process


class _UnboundHttpServer(HttpServer):
    """HTTP server that never listens; replaces the framework's server, which limits no requests."""

    async def start(self) -> None:
        """Do nothing."""


class JobServer(AgentServer):
    """`AgentServer` that registers once it can run a job, and reports availability changes at once.

    Args:
        takes_jobs: Called for each status update to LiveKit. Returns whether the worker takes jobs.
        on_pool: Called with the process pool before the pool has created a process.
        first_process: Awaited before the server connects to LiveKit. Returns once a process for a
            job is prepared.
        before_process: Called before each process is made, including the process from which jobs
            are forked.
        job_token: Called with the token that LiveKit made for a job; returns the token that the job
            gets.
        options: Keyword arguments of `AgentServer`.
    """

    def __init__(
        self,
        *,
        takes_jobs: Callable[[], bool],
        on_pool: Callable[[ProcPool], None],
        first_process: Callable[[], Awaitable[None]],
        before_process: Callable[[], None] = lambda: None,
        job_token: Callable[[str], str] = str,
        **options: Any,
    ) -> None:
        self._takes_jobs = takes_jobs
        self._on_pool = on_pool
        self._first_process = first_process
        self._job_token = job_token
        self._registration = Registration.NOT_BEGUN
        super().__init__(**options)
        self._mp_ctx = cast(Any, _WatchedContext(self._mp_ctx, before_process))
        self.on("worker_registered", self._on_registered)

    def _on_registered(self, *_: object) -> None:
        self._registration = Registration.REGISTERED

    def _handle_assignment(self, assignment: agent.JobAssignment) -> None:
        assignment.token = self._job_token(assignment.token)
        super()._handle_assignment(assignment)

    def use_key(self, api_key: str, api_secret: str) -> None:
        """Sign the next connection to LiveKit with this key.

        A connection that is already open stays open with its old key.
        """
        self._api_key, self._api_secret = api_key, api_secret

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_http_server" and value is not None:
            value = _UnboundHttpServer("nowhere", 0)
        super().__setattr__(name, value)
        if name == "_conn_task" and value is None:
            # The framework has now added its routes to its HTTP server. Remove the server, so that
            # it is not started.
            super().__setattr__("_http_server", None)
        if name == "_proc_pool":
            self._on_pool(value)

    @property
    def connected(self) -> bool:
        """True while this worker is registered with LiveKit."""
        is_lost = self._connecting or self._connection_failed
        return self._registration is Registration.REGISTERED and not is_lost

    @property
    def awaits_process(self) -> bool:
        """True while the server does not connect, because no process for a job is prepared yet."""
        return self._registration is Registration.AWAITING_PROCESS

    async def _connection_task(self) -> None:
        """Wait for the first process, then connect to LiveKit and stay connected.

        The framework starts this task at the end of its own start, and cancels the task when the
        server closes. If the server did not wait, a worker whose first process takes longer than 12
        s would register before the process is prepared, and the candidates of its first jobs would
        hear nothing for seconds.
        """
        self._registration = Registration.AWAITING_PROCESS
        self._connecting = True  # while True, the framework sends no status reports
        await self._first_process()
        # Measure the load again, because the last value, up to half a second old, may say that the
        # worker cannot run jobs. LiveKit would then offer no job until the next report, 2.5 s
        # later.
        await self._refresh_worker_load()
        self._registration = Registration.CONNECTING
        await super()._connection_task()

    @property
    def job_pids(self) -> dict[str, int | None]:
        """Process ids by job id, for all jobs that have a process."""
        pool = vars(self).get("_proc_pool")  # missing until the server runs
        running = [(proc.running_job, proc) for proc in pool.processes] if pool else []
        return {each.job.id: getattr(proc, "pid", None) for each, proc in running if each}

    def watch_processes(self, on_closed: Callable[[Any], None]) -> None:
        """Call `on_closed` with each process of the pool that ends. The server must be running."""
        self._proc_pool.on("process_closed", on_closed)

    def tell_jobs(self, word: signal.Signals, jobs: Collection[str]) -> None:
        """Send a signal to the processes of the jobs whose ids are in `jobs`."""
        for job, pid in self.job_pids.items():
            if job in jobs and pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, word)

    async def end_jobs(self, word: signal.Signals, *, within_s: float) -> None:
        """Send a signal to the processes of all running jobs, and wait up to `within_s` seconds."""
        procs = [proc for proc in self._proc_pool.processes if proc.running_job is not None]
        if procs:
            logger.info(
                "the worker is closing and ends its running jobs",
                extra={"event": "remaining_jobs_ending", "jobs": len(procs)},
            )
            self.tell_jobs(word, self.job_pids)
            joins = [asyncio.create_task(proc.join()) for proc in procs]
            await asyncio.wait(joins, timeout=within_s)

    async def finish_jobs(self) -> None:
        """Accept no further jobs, and return once every job has ended.

        This method replaces the framework's `drain` (livekit-agents 1.8.9). When two processes end
        within one iteration of the event loop, `drain` joins the second process in an endless loop,
        which never yields, so the event loop cannot remove the process from the pool's list.
        Cancelling `drain` would also cancel jobs that the framework is assigning to a process.
        """
        # Wait until the framework has started, during which it holds this lock.
        async with self._lock:
            self._draining = True
            with contextlib.suppress(ChanClosed):
                await self._update_worker_status()
        if self._job_lifecycle_tasks:
            await asyncio.wait(set(self._job_lifecycle_tasks))
        while procs := [proc for proc in self._proc_pool.processes if proc.running_job is not None]:
            await asyncio.gather(*(proc.join() for proc in procs), return_exceptions=True)
            await asyncio.sleep(0)

    async def tell_status(self) -> None:
        """Report the worker's availability to LiveKit now.

        The framework's next regular report may be 2.5 s away.
        """
        # The framework's load value is up to 0.5 s old, and LiveKit avoids a worker with a high
        # load.
        await self._refresh_worker_load()
        with contextlib.suppress(ChanClosed):
            await self._update_worker_status()

    async def _update_worker_status(self) -> None:
        # Decide the status here: the framework would compare the load with a threshold that also
        # decides the size of its process pool.
        if self._takes_jobs() or self.draining:
            await super()._update_worker_status()
            return
        # Report WS_FULL, because LiveKit would sometimes choose a full worker by its load: see
        # `SERVER_TARGET_LOAD`.
        update = agent.UpdateWorkerStatus(
            load=self._worker_load,
            status=agent.WorkerStatus.WS_FULL,
            job_count=len(self.active_jobs),
        )
        with contextlib.suppress(ChanClosed):
            await self._queue_msg(agent.WorkerMessage(update_worker=update))
