"""The worker's HTTP server, and the worker status that the server reports."""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import shutil
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from worker.aio.tasks import cancel_and_wait, log_failure
from worker.aio.threads import in_thread
from worker.livekit_api.webhooks import PATH as WEBHOOKS_PATH
from worker.livekit_api.webhooks import Webhooks
from worker.telemetry import catalog
from worker.telemetry.http import TelemetryServer
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import NAMES, WorkerStatus

if TYPE_CHECKING:
    from livekit.agents.ipc.proc_pool import ProcPool

    from worker.config.settings import Settings
    from worker.server.journal_collector import JournalCollector
    from worker.server.readiness import Readiness


#: Seconds between two checks of the free disk space.
_DISK_EVERY_S: Final = 5.0


class PortTaken(Exception):
    """Raised when the worker's HTTP port is in use."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"{host}:{port} is in use; set INTERVIEW_HTTP_PORT to a free port (0 takes any)"
        )


class HostUnusable(Exception):
    """Raised when the address of the worker's HTTP server cannot be bound."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"cannot bind INTERVIEW_HTTP_HOST={host}: {why}")


def unusable(host: str, port: int, error: OSError) -> PortTaken | HostUnusable:
    """Return the error for an address that could not be bound because of `error`."""
    if error.errno == errno.EADDRINUSE:
        return PortTaken(host, port)
    return HostUnusable(host, error.strerror or type(error).__name__)


class Observability:
    """Watches one worker's jobs, and serves its status, metrics and jobs over HTTP.

    Args:
        settings: The address to bind, and the number of slots.
        readiness: The reasons why no job can run, if any.
        books: The worker's access to the database.
        connected: Returns whether the worker is registered with LiveKit.
        busy: Returns the number of slots in use.
        load: Returns the load that is reported to LiveKit.
        drain_left_s: Returns the seconds until running interviews are handed over; None before the
            drain.
        on_room: Called with the name of a room when a LiveKit webhook reports that a participant
            joined or left the room. The callback returns False if the room cannot be checked now.
    """

    def __init__(
        self,
        settings: Settings,
        readiness: Readiness,
        books: JournalCollector,
        *,
        connected: Callable[[], bool],
        busy: Callable[[], int],
        load: Callable[[], float],
        drain_left_s: Callable[[], float | None] = lambda: None,
        on_room: Callable[[str], bool] = lambda room: False,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._books = books
        self._connected = connected
        self._busy = busy
        self._load = load
        self._drain_left_s = drain_left_s
        self._pool: ProcPool | None = None
        self._started = False
        #: True while the worker migrates the database's schema, before it takes any job.
        self.opening_books = False
        #: True once the worker was asked to stop.
        self.draining = False
        self.observer = Observer(
            settings.journal_dir, version=importlib.metadata.version("interview-worker")
        )
        self._server = self._make_server(on_room)
        self._journals = settings.journal_dir
        self._disk_free: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _make_server(self, on_room: Callable[[str], bool]) -> TelemetryServer:
        settings = self._settings
        webhooks = Webhooks(
            settings.livekit_api_key,
            settings.livekit_api_secret.get_secret_value(),
            on_room=on_room,
            on_event=partial(self.observer.metrics.count, catalog.WEBHOOKS),
        )
        return TelemetryServer(
            self.observer,
            self.status,
            token=settings.http_token.get_secret_value(),
            posts={WEBHOOKS_PATH: webhooks.handle},
        )

    async def start(self) -> None:
        """Start the HTTP server, and begin to follow the journals.

        Raises PortTaken if the port is in use, and HostUnusable if the address cannot be bound.
        """
        host, port = self._settings.http_host, self._settings.http_port
        try:
            await self._server.start(host, port)
        except OSError as error:
            raise unusable(host, port, error) from error
        self._tasks = [
            asyncio.create_task(self.observer.run(), name="follow-journals"),
            asyncio.create_task(self._watch_disk(), name="watch-disk"),
        ]
        for task in self._tasks:
            task.add_done_callback(log_failure)

    async def aclose(self) -> None:
        """Stop the HTTP server and the background tasks."""
        await cancel_and_wait(*self._tasks)
        await self._server.aclose()

    def watch(self, pool: ProcPool) -> None:
        """Observe each job that a pool launches. Call this before the pool creates a process."""
        self._pool = pool
        pool.on("process_job_launched", self._on_launched)

    def _on_launched(self, proc: Any) -> None:
        if (running := proc.running_job) is not None:
            self.observer.job_given(running.job.id, running.job.room.name)

    def status(self) -> WorkerStatus:
        """Return the worker's current status, with the reasons why the worker is not ready."""
        waiting = [(NAMES[each.cause], each.message) for each in self._readiness.reasons()]
        if not self._connected():
            waiting.insert(0, ("livekit", "this worker is not registered with LiveKit"))
        if self.opening_books:
            waiting.append(("database", "the schema is being migrated"))
        self._started = self._started or not waiting
        journals, lag_s = self._books.waiting
        busy = self._busy()
        return WorkerStatus(
            started=self._started,
            waiting_on=tuple(waiting),
            without=("database",) if self._books.is_away and not self.opening_books else (),
            draining=self.draining,
            drain_left_s=self._drain_left_s(),
            slots=self._settings.slots,
            slots_used=busy,
            load=self._load(),
            warm_processes=self._warm(),
            pool=self._books.pool,
            journals_waiting=journals,
            shipping_lag_s=lag_s,
            disk_free_bytes=self._disk_free,
        )

    def _warm(self) -> int:
        processes = self._pool.processes if self._pool is not None else []
        return sum(each.started and each.running_job is None for each in processes)

    async def _watch_disk(self) -> None:
        """Poll the free disk space in a thread, because a hanging disk would block the loop."""
        while True:
            try:
                usage = await in_thread("disk", partial(shutil.disk_usage, self._journals))
                self._disk_free = float(usage.free)
            except OSError:
                self._disk_free = None
            await asyncio.sleep(_DISK_EVERY_S)
