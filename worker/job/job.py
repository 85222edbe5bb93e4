"""One job, from HANDSHAKE to CLOSED. The lifecycle decides the next step; this module runs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from livekit.agents import AgentSession, CloseEvent, JobContext

from states import (
    Condition,
    Event,
    Lifecycle,
    Outcome,
    Phase,
    Status,
)
from states.transition import IllegalTransition, LifecycleStopped, Transition
from worker import faults
from worker.aio.timeouts import retrieve
from worker.config.settings import Settings
from worker.job.application import Application, ends_of
from worker.job.floor import TurnFloor
from worker.job.handover import hand_over, on_worker_lost
from worker.job.recorder import JobRecorder
from worker.job.resource_loading import ResourceLoading, pending
from worker.job.shutdown import shut_down
from worker.job.signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL
from worker.journal.job_journal import open_journal, watch_disk, without_disk
from worker.journal.owner import owner_fields
from worker.journal.shipper import JournalShipper, ship_live
from worker.resources.bootstrap import AgentResources
from worker.store.database import Database
from worker.transport.livekit_room import Transport, TransportMaker

logger = logging.getLogger("worker.job")

#: Seconds from the handshake to the first waiting message to a candidate who waits for the session.
_WAITING_S = 2.0
#: Seconds from the end of one waiting message to the next.
_STILL_WAITING_S = 4.0


class Job:
    """One job. `live` runs the job from start to end; the other methods are parts of `live`."""

    def __init__(
        self,
        ctx: JobContext,
        app: Application,
        settings: Settings,
        *,
        make_transport: TransportMaker,
    ) -> None:
        self.ctx = ctx
        self.app = app
        self.settings = settings
        # Time at which LiveKit offered the job, read from a private attribute because no public one
        # has it.
        self.received_at = ctx._info.received_at or time.time()
        self.life = _lifecycle(ctx, app, settings, self.received_at)
        watch_disk(self.life)
        self.recorder = JobRecorder(self.life)
        self.keep_turn = self.recorder.turn
        self.resources = AgentResources()
        self.transport: Transport = make_transport(ctx, self.life.post)
        self.session: AgentSession[Any] | None = None
        #: Ingests the journal into the database; None until `ship_journal` finds a loaded database.
        self.shipper: JournalShipper | None = None
        #: Functions that write the last records of the application after the session is closed.
        self.last_records: list[Callable[[], Awaitable[None]]] = []
        #: Whose turn it is to speak; None until the application creates the object.
        self.floor: TurnFloor | None = None
        #: Task that opens the audio output.
        self.opening: asyncio.Task[None] | None = None
        #: True once the main process is gone, so CLOSING does not wait for the current speaker.
        self.orphaned = False
        self._leaving: asyncio.Task[None] | None = None
        #: Task that loads the resources. The task may continue after the session has started.
        self.loading: asyncio.Task[None] | None = None

    async def live(self) -> Outcome:
        """Run the job from HANDSHAKE to CLOSED, even if cancelled, and return the job's outcome."""
        self.recorder.milestone("handshake_start")
        self.life.start()
        faults.entered(self.life.state)
        self.life.subscribe(self._log_transition)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(SHUTDOWN_SIGNAL, self.life.post, Event.SHUTDOWN_REQUESTED)
        loop.add_signal_handler(HANDOVER_SIGNAL, hand_over, self)
        work = asyncio.create_task(self._work(), name="job-work")
        await self._see_through(self.life.reached(Phase.CLOSING))
        await self._see_through(shut_down(self, work))
        return self.life.outcome or Outcome.FAILED

    async def _see_through(self, part: Coroutine[Any, Any, object]) -> None:
        """Await `part` to its end. If this call is cancelled, `part` continues, but ends sooner.

        The framework cancels this call when it ends the process, because the worker is gone or
        because LiveKit considered the job ended 15 s ago. If the cancellation reached `part`, the
        job could not leave the room, say goodbye, or arrange for the interview to continue.
        """
        task = asyncio.create_task(part, name="job-life")
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self.given_up()

    def given_up(self) -> None:
        """Hand the interview over, because the framework ends the process.

        In CLOSING, and on any further call, post WORKER_LOST instead, which shortens the closing.
        """
        if self._leaving is None and self.life.state.phase is not Phase.CLOSING:
            self._leaving = asyncio.create_task(on_worker_lost(self), name="lose-worker")
        else:
            self.life.post(Event.WORKER_LOST)

    async def _work(self) -> None:
        """Run the job up to the end of RUNNING. The lifecycle may end this work at any await."""
        try:
            await self._handshake()
            waiting = asyncio.create_task(self._comfort(), name="comfort")
            try:
                await self._bootstrap()
                if self.life.state.phase is not Phase.STARTING:
                    return
                await self._start_session()
            finally:
                waiting.cancel()
            await self._run()
        except (IllegalTransition, LifecycleStopped) as error:
            # The lifecycle entered CLOSING while a step of the start was finishing.
            logger.info(
                "the job closes before its current step has finished: %s",
                error,
                extra={"event": "job_step_abandoned"},
            )
        except Exception as error:
            self.crashed(error)

    def crashed(self, error: Exception) -> None:
        """End the job because its own code raised an unexpected error."""
        logger.error("the job's own code failed", exc_info=error, extra={"event": "job_crashed"})
        self.recorder.fault("job", error)
        self.life.post(Event.JOB_CRASHED)

    async def _handshake(self) -> None:
        try:
            await self.recorder.timed("connect", faults.at("connect", self.transport.connect()))
        except Exception as error:
            logger.error(
                "connecting to the room failed: %s",
                type(error).__name__,
                extra={"event": "room_connect_failed"},
            )
            await self.life.fire(Event.HANDSHAKE_FAILED)
            raise LifecycleStopped(Event.HANDSHAKE_FAILED) from error
        await self.life.fire(Event.ROOM_CONNECTED)
        self.recorder.milestone("ctx_connected")

    async def _bootstrap(self) -> None:
        self.opening = asyncio.create_task(
            self.recorder.timed("open_line", faults.at("open_line", self.transport.open_line())),
            name="open-line",
        )
        self.opening.add_done_callback(retrieve)
        resources = self.app.resources()
        without = without_disk(self.life.journal)
        await self.life.fire(Event.BOOTSTRAP_STARTED, *map(pending, resources), *without)
        self.loading = asyncio.create_task(ResourceLoading(self).load(resources), name="loading")
        # Do not wait for optional resources that are still loading after the budget is spent.
        await self.life.reached(Phase.STARTING, Phase.CLOSING)
        # Shielded, because the closing message needs the audio output even if the job ends during
        # this wait.
        await asyncio.shield(self.opening)

    async def _start_session(self) -> None:
        self.ship_journal()
        try:
            session, agent = self.app.start_session(self, self.resources)
            self.session = session
            session.on("close", self._on_session_closed)
            starting = faults.at("start_session", self.transport.start_session(session, agent))
            await self.recorder.timed("start_session", starting)
        except Exception as error:
            logger.exception("the session did not start", extra={"event": "session_start_failed"})
            self.recorder.fault("start_session", error)
            await self.life.fire(Event.SESSION_FAILED)
            raise LifecycleStopped(Event.SESSION_FAILED) from error
        self.recorder.milestone("session_started")
        await self.life.fire(Event.SESSION_STARTED)
        self.recorder.milestone("init_done")

    async def _run(self) -> None:
        await self.app.run(self)
        if self.life.state.phase is Phase.SESSION:
            await self.life.fire(Event.WORK_DONE)

    async def _comfort(self) -> None:
        """Repeat a waiting message to the candidate until cancelled."""
        await asyncio.sleep(_WAITING_S)
        try:
            while (clip := self.app.waiting_words()) is not None:
                if self.transport.candidate_is_here:
                    await self.transport.line.play(clip)
                await asyncio.sleep(_STILL_WAITING_S)
        except Exception as error:
            self.recorder.fault("waiting_words", error)

    # --- reports from the resources and the session -----------------------------------------------

    async def end(self, name: str) -> None:
        """End the job with an end that the application declares."""
        await self.life.end(name)

    def after_session(self, step: Callable[[], Awaitable[None]]) -> None:
        """Register a step that writes the remaining records once the session is closed."""
        self.last_records.append(step)

    def ship_journal(self) -> None:
        """Begin to ingest the journal, from its first record, if the job has a database."""
        database = self.resources.get("database")
        if self.shipper is None and isinstance(database, Database):
            self.shipper = ship_live(self.life, database)
            self.recorder.acknowledged = self.shipper.acknowledged

    def report(self, condition: Condition) -> None:
        """Post the new condition of a resource: unavailable, or available again."""
        there = condition.status is Status.READY
        self.life.post(Event.RESOURCE_RECOVERED if there else Event.RESOURCE_LOST, condition)

    async def tell(self, condition: Condition) -> None:
        """Report a resource's new condition, and return once the lifecycle's listeners know it."""
        there = condition.status is Status.READY
        event = Event.RESOURCE_RECOVERED if there else Event.RESOURCE_LOST
        with contextlib.suppress(IllegalTransition, LifecycleStopped):  # the job has ended
            await self.life.fire(event, condition)

    def _on_session_closed(self, event: CloseEvent) -> None:
        """End the job when its session closes, or the framework would keep the job forever."""
        if self.life.state.phase is not Phase.CLOSING:
            logger.error("the session closed: %s", event.reason, extra={"event": "session_closed"})
            self.life.post(Event.SESSION_FAILED)

    def _log_transition(self, transition: Transition) -> None:
        faults.entered(transition.target)
        level = logging.DEBUG if transition.internal else logging.INFO
        logger.log(
            level,
            "the job is in state %s after event %s",
            transition.target,
            transition.event,
            extra={
                "event": "job_state_changed",
                "elapsed_ms": round(transition.t * 1000),
                "reason": transition.reason,
            },
        )


def _lifecycle(
    ctx: JobContext, app: Application, settings: Settings, received_at: float
) -> Lifecycle:
    """Return the lifecycle of a job, with its journal. `received_at` is a Unix time in seconds."""
    return Lifecycle(
        journal=open_journal(settings, ctx.job.id),
        budgets=settings.budgets,
        hurried_closing_s=settings.hurried_closing_s,
        received_at=asyncio.get_running_loop().time() - (time.time() - received_at),
        header={
            "job_id": ctx.job.id,
            "room": ctx.job.room.name,
            "worker_id": ctx.worker_id,
            "pid": os.getpid(),
            **owner_fields(),
            **faults.header(),
            **app.header(),
        },
        ends=ends_of(app),
    )
