"""Supervisor of the process pool: reports failed preparations, and retries with back-off.

Without this supervisor the framework creates another process as soon as one has failed, twenty per
second (measured), and continues to take jobs. A job without a prepared process fails after three
attempts, and its candidate gets no message.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, Protocol

from livekit.agents.ipc.proc_pool import ProcPool

from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import log_failure

#: Back-off between two attempts to prepare a process.
RETRY = ExponentialBackoff(first_s=2.0, longest_s=30.0)

_FRAMEWORKS_WORDS = "process initialization failed: "


class ReadinessSink(Protocol):
    """Receiver of the supervisor's reports, such as `worker.server.readiness.Readiness`."""

    def set_up_failed(self, why: str) -> None:
        """Record why no process can be prepared; no prepared process is left."""
        ...

    def set_up_works(self) -> None:
        """Record that a process was prepared for a job."""
        ...


class ProcessPoolSupervisor:
    """Watches the preparation of one pool's processes. `watch` needs a running event loop."""

    def __init__(self, reports: ReadinessSink) -> None:
        self._reports = reports
        self._pool: ProcPool | None = None
        self._prepared: weakref.WeakSet[Any] = weakref.WeakSet()
        self._why: str | None = None
        self._idle = 0
        self._trying: asyncio.Task[None] | None = None

    def watch(self, pool: ProcPool) -> None:
        """Start to watch `pool`. Call this before the pool has created a process."""
        self._pool = pool
        self._idle = pool.target_idle_processes
        pool.on("process_ready", self._on_ready)
        pool.on("process_closed", self._on_closed)
        pool.on("process_job_launched", self._on_launched)

    def stop(self) -> None:
        """Stop the retries. A process that closes from now on does not count as failed."""
        self._pool = None
        if self._trying is not None:
            self._trying.cancel()

    def _on_ready(self, proc: Any) -> None:
        self._prepared.add(proc)
        if self._pool is None or self._why is None:
            return
        self._why = None
        self._pool.set_target_idle_processes(self._idle)
        self._reports.set_up_works()

    def _on_closed(self, proc: Any) -> None:
        if self._pool is None or proc in self._prepared:
            return
        self._why = _why(proc)
        self._pool.set_target_idle_processes(0)
        self._tell_where_none_is_left(self._pool)
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._try_again(self._pool), name="set-up-again")
            self._trying.add_done_callback(log_failure)

    def _on_launched(self, _: Any) -> None:
        if self._pool is not None:
            self._tell_where_none_is_left(self._pool)

    def _tell_where_none_is_left(self, pool: ProcPool) -> None:
        if self._why is not None and pool._warmed_proc_queue.empty():  # not public
            self._reports.set_up_failed(self._why)

    async def _try_again(self, pool: ProcPool) -> None:
        """Create one process after another, until the preparation of one succeeds."""
        pauses = RETRY.delays()
        while self._why is not None:
            await asyncio.sleep(next(pauses))
            # Create a process as the pool does for a job that finds no idle process. With a target
            # above 0 the pool would create the next process immediately, without the pause.
            making = asyncio.create_task(pool._proc_spawn_task(), name="set-up")
            pool._spawn_tasks.add(making)
            making.add_done_callback(pool._spawn_tasks.discard)
            await asyncio.wait({making})


def _why(proc: Any) -> str:
    """Return the known reason why a process could not be prepared."""
    prepared: asyncio.Future[None] | None = getattr(proc, "_initialize_fut", None)
    if prepared is None or not prepared.done() or prepared.cancelled():
        return "no process could be started"
    error = prepared.exception()
    if isinstance(error, TimeoutError):
        return "preparing a process took too long"
    if isinstance(error, RuntimeError):
        return str(error).removeprefix(_FRAMEWORKS_WORDS)
    return "a process died during its preparation"
