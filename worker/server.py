"""The worker: livekit's AgentServer under a runner of our own, and what runs beside it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import signal
from typing import TYPE_CHECKING, Any

from livekit.agents import AgentServer, JobRequest

from worker import process
from worker.job import WORKERS_WORD
from worker.livekit_api import check_livekit
from worker.settings import Settings
from worker.shipping import ship_book
from worker.store.errors import DatabaseError
from worker.store.migrate import migrate
from worker.store.pool import Database

if TYPE_CHECKING:
    from livekit.agents.ipc.job_executor import JobExecutor

logger = logging.getLogger(__name__)

#: LiveKit's server sends no job to a worker whose load is at its `agents.target_load` or above
#: (0.7 by default, pkg/agent/config.go), and tells nobody. So "full" is that figure.
SERVER_TARGET_LOAD = 0.7

_SHIP_RETRY_S = 5.0
_STOP_WAIT_S = 15.0


class PortTaken(Exception):
    """The worker's HTTP port is in use."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"{host}:{port} is in use; set INTERVIEW_HTTP_PORT to a free port (0 takes any)"
        )


class Worker:
    """One worker. `run` returns when it has drained and stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._hard_stop = asyncio.Event()
        self._accepted: set[str] = set()
        self._database: Database | None = None
        self._shipping: set[asyncio.Task[None]] = set()
        self.server = self._make_server()
        #: Set once LiveKit has taken the worker's registration.
        self.registered = asyncio.Event()

    def _make_server(self) -> AgentServer:
        settings = self._settings
        # Nobody here uses the framework's end-of-turn model: 244 MB in the forkserver.
        os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
        server = AgentServer(
            ws_url=settings.livekit_url,
            api_key=settings.livekit_api_key,
            api_secret=settings.livekit_api_secret.get_secret_value(),
            host=settings.http_host,
            port=settings.http_port,
            num_idle_processes=settings.idle_processes,
            shutdown_process_timeout=settings.cleanup_s,
            drain_timeout=settings.drain_s,
            # With a threshold the framework overwrites the number of idle processes from the
            # load twice a second, and takes two accepts in flight for a full worker. Slots are
            # counted in `_on_request` instead.
            load_threshold=math.inf,
            load_fnc=self.load,
            setup_fnc=process.set_up,
            preload_modules=["worker.preload"],
        )
        server.rtc_session(
            process.entrypoint, agent_name=settings.agent_name, on_request=self._on_request
        )
        server.on("worker_registered", lambda *_: self.registered.set())
        return server

    # --- slots ------------------------------------------------------------------------------------

    def load(self) -> float:
        """Jobs over slots, on the server's scale: at SERVER_TARGET_LOAD there is no slot left."""
        return SERVER_TARGET_LOAD * min(1.0, len(self._busy()) / self._settings.slots)

    def _busy(self) -> set[str]:
        """The jobs that hold a slot: running, or accepted and not yet handed to a process."""
        running = {info.job.id for info in self.server.active_jobs}
        return running | self._accepted

    async def _on_request(self, request: JobRequest) -> None:
        if len(self._busy()) >= self._settings.slots:
            logger.warning("turned down: no slot is free", extra={"job_id": request.id})
            # Without this another worker would not be asked: the server takes a plain
            # rejection for the end of the job.
            await request.reject(terminate=False)
            return
        self._accepted.add(request.id)
        try:
            # Returns once the job was handed to a process.
            await request.accept(identity=f"interviewer-{request.id}", name="Interviewer")
        finally:
            self._accepted.discard(request.id)

    # --- the life of the worker -------------------------------------------------------------------

    async def run(self) -> None:
        """Check LiveKit, prepare the database, serve, drain, stop.

        Raises LiveKitError (away, key refused, no URL), PortTaken, SchemaTooNew, and
        RuntimeError where LiveKit was lost for good while serving.
        """
        settings = self._settings
        await self._reach_livekit()
        self._install_signals()
        await self._open_database()
        serving = asyncio.create_task(self._serve(), name="agent-server")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop-signal")
        # worker_started comes after the pool is there.
        self.server.on("worker_started", self._watch_processes)
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await self._drain()
            await self._stop(serving)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(settings.http_host, settings.http_port) from error
            raise
        finally:
            stopping.cancel()
            await self._close_database()

    async def _reach_livekit(self) -> None:
        settings = self._settings
        await check_livekit(
            settings.livekit_url,
            settings.livekit_api_key,
            settings.livekit_api_secret.get_secret_value(),
            budget_s=settings.livekit_start_budget_s,
        )

    async def _serve(self) -> None:
        await self.server.run()

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """First call: drain. Second call: end the running interviews now."""
        if self._stopping.is_set():
            self._hard_stop.set()
        self._stopping.set()

    async def _drain(self) -> None:
        jobs = len(self.server.active_jobs)
        logger.info("draining", extra={"jobs": jobs, "longest_s": self._settings.drain_s})
        if self._settings.drain_s == 0:
            return
        draining = asyncio.create_task(self.server.drain(self._settings.drain_s), name="drain")
        hard = asyncio.create_task(self._hard_stop.wait(), name="hard-stop")
        await asyncio.wait({draining, hard}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, hard):
            task.cancel()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await draining

    async def _stop(self, serving: asyncio.Task[None]) -> None:
        if not serving.done():
            await self._end_jobs()
            await self.server.aclose()
        await serving

    async def _end_jobs(self) -> None:
        """Give the running jobs the worker's word, and wait for them to say goodbye."""
        procs = [proc for proc in self._processes() if proc.running_job is not None]
        for proc in procs:
            with contextlib.suppress(ProcessLookupError):
                if pid := getattr(proc, "pid", None):
                    os.kill(pid, WORKERS_WORD)
        if procs:
            logger.info("ending running jobs", extra={"jobs": len(procs)})
            bound = self._settings.hurried_closing_s + self._settings.cleanup_s
            joins = [asyncio.create_task(proc.join()) for proc in procs]
            await asyncio.wait(joins, timeout=min(bound, _STOP_WAIT_S))

    def _processes(self) -> list[JobExecutor]:
        return self.server._proc_pool.processes  # it has no public face

    # --- what processes leave behind --------------------------------------------------------------

    def _watch_processes(self) -> None:
        self.server._proc_pool.on("process_closed", self._on_process_closed)
        self._ship_soon(None, None)

    def _on_process_closed(self, proc: Any) -> None:
        job = proc.running_job
        if job is None:
            return
        code = proc.exitcode
        killed_by = -code if code is not None and code < 0 else None
        level = logging.INFO if code == 0 else logging.ERROR
        logger.log(
            level,
            "job process ended",
            extra={
                "job_id": job.job.id,
                "room": job.job.room.name,
                "exit_code": code,
                "signal": killed_by,
            },
        )
        self._ship_soon(job.job.id, code)

    def _ship_soon(self, job_id: str | None, exit_code: int | None) -> None:
        work = self._ship_job(job_id, exit_code) if job_id else self._ship_leftovers()
        task = asyncio.create_task(work, name=f"ship-{job_id or 'leftovers'}")
        self._shipping.add(task)
        task.add_done_callback(self._shipping.discard)

    async def _ship_leftovers(self) -> None:
        """What dead workers on this machine left: their job processes are gone with them."""
        for path in sorted(self._settings.journal_dir.glob("*.jsonl")):
            await self._ship_job(path.stem, None)

    async def _ship_job(self, job_id: str, exit_code: int | None) -> None:
        path = self._settings.journal_dir / f"{job_id}.jsonl"
        if not path.exists():
            return
        killed_by = -exit_code if exit_code is not None and exit_code < 0 else None
        while self._database is not None:
            try:
                await ship_book(self._database, path, exit_code=exit_code, signal=killed_by)
            except DatabaseError as error:
                logger.warning("a journal waits for the database: %s", error)
                await asyncio.sleep(_SHIP_RETRY_S)
            else:
                return

    # --- the database -----------------------------------------------------------------------------

    async def _open_database(self) -> None:
        """Migrate, if the database is there: one that is away stops no interview."""
        url = self._settings.database_url.get_secret_value()
        if not url:
            return
        self._database = await Database.open(url)
        try:
            await self._database.run("migrate", migrate, budget_s=30.0)
        except DatabaseError as error:
            logger.warning("the database is not ready, going on without: %s", error)

    async def _close_database(self) -> None:
        if self._shipping:
            await asyncio.wait(tuple(self._shipping), timeout=5.0)
        for task in tuple(self._shipping):
            task.cancel()
        if self._database is not None:
            await self._database.aclose()
