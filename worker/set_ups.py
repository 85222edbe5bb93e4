"""Processes for jobs that cannot be prepared: reported, and tried again with back-off.

The framework by itself makes another as soon as one has failed, twenty a second (measured),
and goes on taking jobs that then die after three attempts without a word to anybody.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Any, Protocol

from livekit.agents.ipc.proc_pool import ProcPool

logger = logging.getLogger(__name__)

#: Seconds before the next try; doubled for each one after.
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 30.0

_FRAMEWORKS_WORDS = "process initialization failed: "


class Reports(Protocol):
    """Who wants to know; `worker.readiness.Readiness`."""

    def set_up_failed(self, why: str) -> None:
        """No process can be prepared, and none is left."""
        ...

    def set_up_works(self) -> None:
        """A process was prepared."""
        ...


class SetUps:
    """Watches one pool's processes come to be. Needs a running loop from `watch` on."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._pool: ProcPool | None = None
        self._prepared: weakref.WeakSet[Any] = weakref.WeakSet()
        self._why: str | None = None
        self._idle = 0
        self._trying: asyncio.Task[None] | None = None

    def watch(self, pool: ProcPool) -> None:
        """Begin, before the pool has made its first process."""
        self._pool = pool
        self._idle = pool.target_idle_processes
        pool.on("process_ready", self._on_ready)
        pool.on("process_closed", self._on_closed)
        pool.on("process_job_launched", self._on_launched)

    def stop(self) -> None:
        """Try no more, and take no process that closes for one that failed."""
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

    def _on_launched(self, _: Any) -> None:
        if self._pool is not None:
            self._tell_where_none_is_left(self._pool)

    def _tell_where_none_is_left(self, pool: ProcPool) -> None:
        if self._why is not None and pool._warmed_proc_queue.empty():  # it has no public face
            self._reports.set_up_failed(self._why)

    async def _try_again(self, pool: ProcPool) -> None:
        """Make one process after another, until one can be prepared."""
        pause_s = FIRST_PAUSE_S
        while self._why is not None:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            # As the pool does for a job that finds no process: with a target it would make the
            # next one at once, and with no idle processes asked for never one by itself.
            making = asyncio.create_task(pool._proc_spawn_task(), name="set-up")
            pool._spawn_tasks.add(making)
            making.add_done_callback(pool._spawn_tasks.discard)
            await asyncio.wait({making})


def _why(proc: Any) -> str:
    """Why a process could not be prepared, as far as it has said."""
    prepared: asyncio.Future[None] | None = getattr(proc, "_initialize_fut", None)
    if prepared is None or not prepared.done() or prepared.cancelled():
        return "no process could be started"
    error = prepared.exception()
    if isinstance(error, TimeoutError):
        return "preparing a process took too long"
    if isinstance(error, RuntimeError):
        return str(error).removeprefix(_FRAMEWORKS_WORDS)
    return "a process died while it was prepared"
