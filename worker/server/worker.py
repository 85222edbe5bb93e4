"""The worker: it runs livekit's AgentServer, and the services beside that server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from worker.aio.tasks import cancel_and_wait, log_failure
from worker.config.rotation import SecretRotation
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import MetadataInvalid, read_metadata
from worker.continuity.room_options import options_of_return
from worker.continuity.service import ContinuityService
from worker.env.secret_files import forget_values_beside_files
from worker.fallback.shared_breaker import provider_breaker
from worker.job import entrypoint
from worker.job.application import declared_in
from worker.job.signals import SHUTDOWN_SIGNAL
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitLost
from worker.server.admission import Admission
from worker.server.agent_server import JobServer
from worker.server.drain import Drain
from worker.server.ended_jobs import EndedJobs
from worker.server.job_database import JobDatabase
from worker.server.job_environment import hide_secrets
from worker.server.job_rights import JobRights
from worker.server.journal_collector import JournalCollector
from worker.server.observability import Observability
from worker.server.process_pool import ProcessPoolSupervisor, start_without_waiting
from worker.server.readiness import Readiness
from worker.server.server_options import server_options
from worker.server.speech_health import speech_problems
from worker.server.start import arm_faults, install_signals, unless_stopped
from worker.telemetry import catalog

if TYPE_CHECKING:
    from livekit.agents.ipc.proc_pool import ProcPool

#: Maximum seconds for the last steps of a shutdown: a job process says goodbye and ends (15), the
#: worker ingests the remaining journals (5), closes the database (5) and informs the other workers
#: (2), plus a margin.
_LAST_STEPS_S = 35.0


class Worker:
    """A worker: the main process with all of its services. `run` returns after the drain.

    Args:
        settings: All settings. Except for the URLs of the database, they must also be in the
            environment, because job processes read their settings from the environment. The secrets
            that no job needs are removed from the environment before the first job process is made.
        on_stop: Called once the jobs have ended, with the hard shutdown deadline in seconds.

    Raises ApplicationInvalid if the application that the settings name cannot be used.
    """

    def __init__(
        self, settings: Settings, *, on_stop: Callable[[float], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._on_stop = on_stop
        self._stopping = asyncio.Event()
        self._books = JournalCollector(settings)
        self._job_database = JobDatabase(settings, lambda: self._books.database)
        #: The reasons why no job can run, if any.
        self.readiness = Readiness(
            settings.journal_dir,
            speech=partial(speech_problems, settings, provider_breaker(settings.data_dir)),
            on_change=self._on_readiness,
        )
        self._set_ups = ProcessPoolSupervisor(self.readiness)
        self._rights = JobRights(settings)
        self._continuity = self._make_continuity()
        #: The slots in use, and the free slots.
        self.slots = self._make_admission()
        #: Running tasks that report the status to LiveKit. The set keeps these tasks alive, because
        #: the event loop holds only weak references to tasks.
        self._telling: set[asyncio.Task[None]] = set()
        self.observation = self._make_observation()
        self.server = self._make_server()
        reserve = self._continuity.presence.reserve
        self._departure = Drain(settings, self.server, jobs=self._running_jobs, reserve=reserve)
        self._ended_jobs = EndedJobs(
            self._books,
            self.observation.observer,
            on_shipped=self._continuity.job_gone,
            on_slot_free=self._tell_livekit,
        )
        #: Set once LiveKit has accepted the worker's registration.
        self.registered = asyncio.Event()

    def _make_continuity(self) -> ContinuityService:
        return ContinuityService(
            self._settings,
            lambda: self._books.database,
            jobs=lambda: dict.fromkeys(self.slots.accepted) | self.server.job_pids,
            seats=lambda: self.slots.seats if self.server.connected else None,
            on_sent=partial(self._count, catalog.SENT_AGAIN),
            on_renewal=lambda succeeded: self.observation.renewals.record(succeeded),
        )

    def _make_admission(self) -> Admission:
        return Admission(
            self._settings.slots,
            declared=declared_in(self._settings),
            running=self._running_jobs,
            unable=self._unable,
            is_late=self._is_late,
            equip=self._rights.equip,
            stopping=self._stopping.is_set,
            on_taken=self._on_taken,
            on_refused=partial(self._count, catalog.JOBS_REFUSED),
        )

    def _make_observation(self) -> Observability:
        return Observability(
            self._settings,
            self.readiness,
            self._books,
            connected=lambda: self.server.connected,
            awaits_process=lambda: self.server.awaits_process,
            busy=lambda: len(self.slots.busy),
            load=self.slots.load,
            drain_left_s=lambda: self._departure.left_s,
            on_room=self._continuity.room_changed,
        )

    def _make_server(self) -> JobServer:
        settings = self._settings
        server = JobServer(
            takes_jobs=lambda: bool(self.slots.seats),
            on_pool=self._on_pool,
            first_process=self._set_ups.first_process,
            before_process=hide_secrets,
            job_token=self._job_token,
            **server_options(settings),
            load_fnc=self.slots.load,
            setup_fnc=entrypoint.set_up,
        )
        server.rtc_session(
            entrypoint.entrypoint, agent_name=settings.agent_name, on_request=self.slots.on_request
        )
        server.on("worker_registered", lambda *_: self._on_registered())
        return server

    def _job_token(self, token: str) -> str:
        return self._rights.job_token(token, options_of_return(self._settings))

    def _on_pool(self, pool: ProcPool) -> None:
        # Remove the secrets again, because the framework has written its API secret into the
        # environment.
        pool.on("process_created", lambda _: forget_values_beside_files(Settings))
        self._set_ups.watch(pool)
        self._rights.watch(pool)
        self.observation.watch(pool)
        self._job_database.watch(pool)
        start_without_waiting(pool)

    def _unable(self) -> tuple[str, str] | None:
        """Return why no job can run, as one word and as a sentence; None if jobs can run."""
        reasons = self.readiness.reasons()
        return (reasons[0].cause, "; ".join(map(str, reasons))) if reasons else None

    def _is_late(self, metadata: str) -> bool:
        """Return whether the worker must refuse a job, because the job would begin late.

        Only jobs of interviews are refused, because the leader repeats only dispatches of
        interviews. A refused job of another application might never be dispatched again.
        """
        if self._books.database is None or not self._set_ups.is_late:
            return False
        with contextlib.suppress(MetadataInvalid):
            read_metadata(metadata)
            return True
        return False

    def _on_taken(self, job_id: str, room: str, metadata: str) -> None:
        self._continuity.dispatch_taken(job_id, room, metadata)
        # Report the used slot at once, because LiveKit would offer further jobs until the next
        # report. If this machine vanished in that time, LiveKit would wait 10 s for the answer to
        # each offer.
        self._tell_livekit()

    def _count(self, figure: catalog.MetricDefinition, label: str) -> None:
        self.observation.observer.metrics.count(figure, label)

    def _on_registered(self) -> None:
        self.registered.set()
        self._continuity.heartbeat.changed()

    def _on_readiness(self) -> None:
        self._continuity.heartbeat.changed()
        self._tell_livekit()

    def _tell_livekit(self) -> None:
        if self.registered.is_set():
            telling = asyncio.create_task(self.server.tell_status(), name="tell-status")
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
            telling.add_done_callback(log_failure)

    # --- the life of the worker -------------------------------------------------------------------

    async def run(self) -> None:
        """Check LiveKit, prepare the database, serve jobs, drain, and stop.

        Raises LiveKitError if LiveKit is unreachable or refuses the key, if LIVEKIT_URL is not set,
        or if LiveKit is permanently lost while the worker serves. Raises PortTaken or HostUnusable
        if the HTTP server cannot bind its address, and SchemaTooNew if the database's schema is
        newer than this worker.
        """
        arm_faults(self._settings)
        await self.observation.start()
        try:
            await self._run()
        finally:
            await self.observation.aclose()

    async def _run(self) -> None:
        await self._reach_livekit()
        install_signals(stop=self.stop, on_hangup=self._begin_to_stop)
        self.observation.opening_books = True
        if not await unless_stopped(self._open_database(), self._stopping):
            self._on_stop(_LAST_STEPS_S)
            await self._books.aclose()
            return
        self.observation.opening_books = False
        watching = [
            asyncio.create_task(self.readiness.watch(), name="readiness"),
            asyncio.create_task(
                SecretRotation(self._settings, self._use_secrets).run(), name="read-secrets-again"
            ),
        ]
        for task in watching:
            task.add_done_callback(log_failure)
        self._continuity.start()
        serving = asyncio.create_task(self.server.run(), name="agent-server")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop-signal")
        # The pool exists by the time the server emits `worker_started`.
        self.server.on("worker_started", self._watch_processes)
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await self._departure.run()
            await self._stop(serving)
        finally:
            stopping.cancel()
            await cancel_and_wait(*watching)
            await self._continuity.aclose()
            await self._books.aclose()

    def _use_secrets(self, settings: Settings) -> None:
        """Use the secrets of `settings` for new connections, new requests and new jobs.

        This method does not update the database pools, because the pools themselves read the
        database URL from its file again. A running job keeps the providers' keys with which it
        began.
        """
        key, secret = settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
        self.server.use_key(key, secret)
        self._continuity.use(settings)
        self._rights.use(settings)
        self._job_database.use(settings)
        self.observation.use_secrets(settings)

    async def _open_database(self) -> None:
        await self._books.open()
        await self._job_database.prepare()

    async def _reach_livekit(self) -> None:
        budget_s = self._settings.livekit_start_budget_s
        await LiveKitClient.of(self._settings).check(budget_s=budget_s)

    def stop(self) -> None:
        """Drain on the first call, hand jobs over on the second, and end jobs on the third call."""
        if self._stopping.is_set():
            self._departure.hurry()
        self._begin_to_stop()

    def _begin_to_stop(self) -> None:
        self._stopping.set()
        self.observation.draining = True
        self._continuity.heartbeat.changed()

    async def _stop(self, serving: asyncio.Task[None]) -> None:
        """End the jobs that still run, close the server, and raise the server's error, if any."""
        self._set_ups.stop()
        if serving.done():  # the server failed without a stop request, and its jobs still run
            goodbye_s = self._settings.hurried_closing_s + self._settings.cleanup_s
            await self.server.end_jobs(SHUTDOWN_SIGNAL, within_s=goodbye_s)
        # Limit the shutdown, because a job process may ignore the request to end and never exit.
        self._on_stop(2 * self._settings.cleanup_s + _LAST_STEPS_S)
        await self.server.aclose()
        try:
            await serving
        except RuntimeError as error:
            # The framework raises RuntimeError after 16 failed connections, in about 130 s.
            raise LiveKitLost(self._settings.livekit_url) from error

    def _running_jobs(self) -> list[str]:
        return [info.job.id for info in self.server.active_jobs]

    # --- after a process has ended ----------------------------------------------------------------

    def _watch_processes(self) -> None:
        self.server.watch_processes(self._ended_jobs.process_closed)
        self._books.ship_leftovers()
        self._books.remove_old_journals()
