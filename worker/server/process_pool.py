"""Supervisor of the process pool: reports failed preparations, and retries with back-off.

Without this supervisor the framework creates another process as soon as one has failed, twenty per
second (measured), and continues to take jobs. A job without a prepared process fails after three
attempts, and its candidate gets no message.

The worker registers with LiveKit only after the supervisor has seen the first prepared process. The
first process takes seconds, because it waits until the forkserver has imported the modules and
loaded the models. Later processes take a fraction of a second.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Any, Final, Protocol

from livekit.agents.ipc.proc_pool import ProcPool

from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import log_failure

logger = logging.getLogger(__name__)

#: Back-off between two attempts to prepare a process.
RETRY = ExponentialBackoff(first_s=2.0, longest_s=30.0)
#: Seconds without a prepared process after which a starting worker logs that it still waits.
SLOW_S: Final = 12.0
#: Seconds after which the preparation of a process counts as late. Normally a preparation takes a
#: fraction of a second. If a worker refuses a job, LiveKit asks another worker at once, and the
#: leader repeats a dispatch that no worker takes after 2 s (worker/store/orphans.py).
LATE_S: Final = 3.0

_FRAMEWORKS_WORDS = "process initialization failed: "


class ReadinessSink(Protocol):
    """Receiver of the supervisor's reports, such as `worker.server.readiness.Readiness`."""

    def set_up_failed(self, why: str) -> None:
        """Record why no process can be prepared. Called when no prepared process is left."""
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
        #: Loop time at which the preparation of each unfinished process began.
        self._preparing: dict[Any, float] = {}
        #: Set once the first process is prepared.
        self._first = asyncio.Event()
        self._why: str | None = None
        self._idle = 0
        self._trying: asyncio.Task[None] | None = None

    def watch(self, pool: ProcPool) -> None:
        """Start to watch `pool`. Call this method before the pool has created a process."""
        self._pool = pool
        self._idle = pool.target_idle_processes
        pool.on("process_created", self._on_created)
        pool.on("process_ready", self._on_ready)
        pool.on("process_closed", self._on_closed)
        pool.on("process_job_launched", self._on_launched)

    def stop(self) -> None:
        """Stop the retries. A process that closes later does not count as failed."""
        self._pool = None
        if self._trying is not None:
            self._trying.cancel()

    @property
    def is_late(self) -> bool:
        """True if no process is prepared, and preparing a process is taking over `LATE_S` seconds.

        A job that is accepted while `is_late` is True would begin late. If the preparation is
        quick, as in a burst of jobs, a job is accepted even without a prepared process, because the
        job begins within a second.
        """
        # Private in livekit-agents.
        if self._pool is None or not self._pool._warmed_proc_queue.empty():
            return False
        now = asyncio.get_running_loop().time()
        return any(now - began > LATE_S for began in self._preparing.values())

    async def first_process(self) -> None:
        """Return once a process is prepared for a job. The pool must have started.

        A pool that keeps no idle processes prepares none before the first job. For such a pool this
        method prepares one process, so that the first job does not wait for the forkserver.
        """
        if self._pool is not None and self._idle == 0 and not self._first.is_set():
            _prepare_one(self._pool)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(SLOW_S):
                await self._first.wait()
        except TimeoutError:
            if self._why is None:  # a failure has already been logged
                logger.warning(
                    "no process for a job is prepared yet, so the worker does not register yet",
                    extra={"event": "first_process_slow", "waited_s": SLOW_S},
                )
            await self._first.wait()
        logger.info(
            "the first process for a job is prepared, so the worker registers with LiveKit",
            extra={"event": "first_process_prepared", "waited_s": round(loop.time() - began, 1)},
        )

    def _on_created(self, proc: Any) -> None:
        self._preparing[proc] = asyncio.get_running_loop().time()

    def _on_ready(self, proc: Any) -> None:
        self._preparing.pop(proc, None)
        self._prepared.add(proc)
        self._first.set()
        if self._pool is None or self._why is None:
            return
        self._why = None
        self._pool.set_target_idle_processes(self._idle)
        self._reports.set_up_works()

    def _on_closed(self, proc: Any) -> None:
        self._preparing.pop(proc, None)
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
        if self._why is not None and pool._warmed_proc_queue.empty():  # private in livekit-agents
            self._reports.set_up_failed(self._why)

    async def _try_again(self, pool: ProcPool) -> None:
        """Create one process after another, until the preparation of one succeeds."""
        pauses = RETRY.delays()
        while self._why is not None:
            await asyncio.sleep(next(pauses))
            # With a target above 0 the pool would create the next process immediately, without the
            # pause.
            await asyncio.wait({_prepare_one(pool)})


def start_without_waiting(pool: ProcPool) -> None:
    """Let `ProcPool.start` return at once. Call this function before the pool has started.

    Normally `ProcPool.start` waits up to 12 s for all idle processes. The server holds a lock
    during that time, so a stop request would have to wait. `first_process` waits for the first
    process without this lock.
    """
    pool._idle_ready.set()  # private in livekit-agents


def _prepare_one(pool: ProcPool) -> asyncio.Task[None]:
    """Create a process, as the pool does for a job that finds no idle process."""
    # Private in livekit-agents.
    making = asyncio.create_task(pool._proc_spawn_task(), name="set-up")
    pool._spawn_tasks.add(making)
    making.add_done_callback(pool._spawn_tasks.discard)
    return making


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
