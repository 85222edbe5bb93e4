"""The worker's HTTP servers, and the worker status that they report."""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from worker.aio.tasks import cancel_and_wait, log_failure
from worker.aio.threads import in_thread
from worker.livekit_api.webhooks import PATH as WEBHOOKS_PATH
from worker.livekit_api.webhooks import Webhooks
from worker.telemetry import catalog
from worker.telemetry.http import ProbeServer, TelemetryServer
from worker.telemetry.job_observer import Observer
from worker.telemetry.lease_renewals import LeaseRenewals
from worker.telemetry.worker_status import NAMES, Cause, WorkerStatus

if TYPE_CHECKING:
    from livekit.agents.ipc.proc_pool import ProcPool

    from worker.config.http import HttpSettings
    from worker.config.settings import Settings
    from worker.server.journal_collector import JournalCollector
    from worker.server.readiness import Readiness


#: Seconds between two checks of the free disk space.
_DISK_EVERY_S: Final = 5.0
#: Why a worker takes no jobs while its first process for a job is not prepared.
_NO_PROCESS: Final = (
    "the first process for a job is not prepared yet; the worker then registers with LiveKit"
)


#: Prefixes of the variables with host and port (_HOST, _PORT) of the HTTP server and of the probe
#: server.
_MAIN, _PROBES = "INTERVIEW_HTTP", "INTERVIEW_HTTP_PROBE"


class PortTaken(Exception):
    """Raised when a port of the worker's HTTP servers is in use."""

    def __init__(self, host: str, port: int, *, prefix: str = _MAIN) -> None:
        self.host = host
        self.port = port
        super().__init__(f"{host}:{port} is in use; set {prefix}_PORT to a free port (0 takes any)")


class HostUnusable(Exception):
    """Raised when an address of the worker's HTTP servers cannot be bound."""

    def __init__(self, host: str, why: str, *, prefix: str = _MAIN) -> None:
        super().__init__(f"cannot bind {prefix}_HOST={host}: {why}")


@dataclass(frozen=True, kw_only=True)
class ListeningAddress:
    """An address on which a worker listens.

    The environment variables `prefix`_HOST and `prefix`_PORT set the address.
    """

    prefix: str
    host: str
    port: int


def listening_addresses(settings: HttpSettings) -> list[ListeningAddress]:
    """Return the address of the HTTP server, and the address of the probe server if it is set."""
    host = settings.http_host
    addresses = [ListeningAddress(prefix=_MAIN, host=host, port=settings.http_port)]
    if (port := settings.http_probe_port) is not None:
        host = settings.http_probe_host or host
        addresses.append(ListeningAddress(prefix=_PROBES, host=host, port=port))
    return addresses


def unusable(
    host: str, port: int, error: OSError, *, prefix: str = _MAIN
) -> PortTaken | HostUnusable:
    """Return the error for an address that could not be bound because of `error`."""
    if error.errno == errno.EADDRINUSE:
        return PortTaken(host, port, prefix=prefix)
    return HostUnusable(host, error.strerror or type(error).__name__, prefix=prefix)


class Observability:
    """Watches one worker's jobs, and serves its status, metrics and jobs over HTTP.

    Args:
        settings: The address to bind, and the number of slots.
        readiness: The reasons why no job can run, if any.
        books: The worker's access to the database.
        connected: Returns whether the worker is registered with LiveKit.
        awaits_process: Returns whether the worker does not connect to LiveKit yet, because no
            process for a job is prepared.
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
        awaits_process: Callable[[], bool] = lambda: False,
        busy: Callable[[], int],
        load: Callable[[], float],
        drain_left_s: Callable[[], float | None] = lambda: None,
        on_room: Callable[[str], bool] = lambda room: False,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._books = books
        self._connected = connected
        self._awaits_process = awaits_process
        self._busy = busy
        self._load = load
        self._drain_left_s = drain_left_s
        self._pool: ProcPool | None = None
        #: Processes that have been prepared for a job.
        self._prepared: weakref.WeakSet[Any] = weakref.WeakSet()
        self._started = False
        #: True while the worker migrates the database's schema, before it takes any job.
        self.opening_books = False
        #: True once the worker was asked to stop.
        self.draining = False
        self.observer = Observer(
            settings.journal_dir, version=importlib.metadata.version("interview-worker")
        )
        on_failed = partial(self.observer.metrics.count, catalog.RENEWAL_FAILURES)
        #: Outcomes of the lease renewals. The continuity service records each renewal here.
        self.renewals = LeaseRenewals(settings.lease_s, on_failed=on_failed)
        self._webhooks = self._make_webhooks(on_room)
        self._server = self._make_server()
        self._probes = ProbeServer(self.observer, self.status)
        self._journals = settings.journal_dir
        self._disk_free: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _make_webhooks(self, on_room: Callable[[str], bool]) -> Webhooks:
        return Webhooks(
            self._settings.livekit_api_key,
            self._settings.livekit_api_secret.get_secret_value(),
            on_room=on_room,
            on_event=partial(self.observer.metrics.count, catalog.WEBHOOKS),
        )

    def _make_server(self) -> TelemetryServer:
        return TelemetryServer(
            self.observer,
            self.status,
            token=self._settings.http_token.get_secret_value(),
            posts={WEBHOOKS_PATH: self._webhooks.handle},
        )

    def use_secrets(self, settings: Settings) -> None:
        """Use the token and the LiveKit key of `settings` from the next request on."""
        self._server.use_token(settings.http_token.get_secret_value())
        self._webhooks.use_key(
            settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
        )

    async def start(self) -> None:
        """Start the HTTP servers, and begin to follow the journals.

        Raises PortTaken if a port is in use, and HostUnusable if an address cannot be bound. After
        an error neither server runs.
        """
        servers: tuple[TelemetryServer | ProbeServer, ...] = (self._server, self._probes)
        for server, address in zip(servers, listening_addresses(self._settings), strict=False):
            try:
                await server.start(address.host, address.port)
            except OSError as error:
                await self._server.aclose()
                raise unusable(address.host, address.port, error, prefix=address.prefix) from error
        self._tasks = [
            asyncio.create_task(self.observer.run(), name="follow-journals"),
            asyncio.create_task(self._watch_disk(), name="watch-disk"),
        ]
        for task in self._tasks:
            task.add_done_callback(log_failure)

    async def aclose(self) -> None:
        """Stop the HTTP servers and the background tasks."""
        await cancel_and_wait(*self._tasks)
        await self._probes.aclose()
        await self._server.aclose()

    def watch(self, pool: ProcPool) -> None:
        """Observe each job that a pool launches.

        Call this method before the pool creates a process.
        """
        self._pool = pool
        pool.on("process_ready", self._prepared.add)
        pool.on("process_job_launched", self._on_launched)

    def _on_launched(self, proc: Any) -> None:
        if (running := proc.running_job) is not None:
            self.observer.job_given(running.job.id, running.job.room.name)

    def status(self) -> WorkerStatus:
        """Return the worker's current status, with the reasons why the worker is not ready."""
        waiting = self._waiting_on()
        self._started = self._started or not waiting
        journals, lag_s = self._books.waiting
        busy = self._busy()
        return WorkerStatus(
            started=self._started,
            waiting_on=tuple(waiting),
            without=("database",) if self._lacks_database() else (),
            draining=self.draining,
            drain_left_s=self._drain_left_s(),
            slots=self._settings.slots,
            slots_used=busy,
            load=self._load(),
            warm_processes=self._warm(),
            renewal_age_s=self.renewals.age_s,
            pool=self._books.pool,
            journals_waiting=journals,
            shipping_lag_s=lag_s,
            disk_free_bytes=self._disk_free,
        )

    def _waiting_on(self) -> list[tuple[str, str]]:
        """Return why the worker takes no jobs; during a start, the first reason ends first."""
        reasons = self._readiness.reasons()
        waiting = [(NAMES[each.cause], each.message) for each in reasons]
        if self._awaits_process():
            # Leave this reason out after a failed preparation, which is more precise.
            if all(each.cause is not Cause.SET_UP_FAILED for each in reasons):
                waiting.insert(0, (NAMES[Cause.NO_WARM_PROCESS], _NO_PROCESS))
        elif not self._connected():
            waiting.insert(0, ("livekit", "this worker is not registered with LiveKit"))
        if self.opening_books:
            waiting.append(("database", "the schema is being migrated"))
        return waiting

    def _lacks_database(self) -> bool:
        """Return whether the database was unavailable at the start, or is unavailable now."""
        return not self.opening_books and (self._books.is_away or self.renewals.overdue)

    def _warm(self) -> int:
        processes = self._pool.processes if self._pool is not None else []
        return sum(each in self._prepared and each.running_job is None for each in processes)

    async def _watch_disk(self) -> None:
        """Poll the free disk space in a thread, because a hanging disk would block the loop."""
        while True:
            try:
                usage = await in_thread("disk", partial(shutil.disk_usage, self._journals))
                self._disk_free = float(usage.free)
            except OSError:
                self._disk_free = None
            await asyncio.sleep(_DISK_EVERY_S)
