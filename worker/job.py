"""One job's life, from handshake to closed. The lifecycle decides; this performs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Coroutine
from typing import Any

from livekit.agents import AgentSession, CloseEvent, JobContext

from states import (
    Condition,
    Event,
    Lifecycle,
    Outcome,
    State,
    Status,
)
from states.transition import IllegalTransition, LifecycleStopped, Transition
from worker.application import Application
from worker.book import JobBook
from worker.bounded import bounded
from worker.journal import open_journal
from worker.resources.base import LoadReport
from worker.resources.bootstrap import AgentResources, bootstrap_resources
from worker.settings import Settings
from worker.stage import RoomStage, Stage, StageMaker

logger = logging.getLogger(__name__)

#: Seconds of silence after which somebody who waits for the session is told to wait.
_WAITING_S = 2.0

#: Seconds that a step of closing has even where the budget of CLOSING is spent: none is left out.
_LEAST_STEP_S = 0.2
#: Seconds for the closers of all resources together.
_CLOSE_RESOURCES_S = 3.0

#: What the worker sends to its job processes when it goes away: SIGTERM also reaches them from
#: a process group, a container runtime or an operator, and they mind only their worker's word.
WORKERS_WORD = signal.SIGUSR2


class Job:
    """One job. `live` is its life; everything else is a step of it."""

    def __init__(
        self,
        ctx: JobContext,
        app: Application,
        settings: Settings,
        *,
        make_stage: StageMaker = RoomStage,
    ) -> None:
        self.ctx = ctx
        self.app = app
        self.settings = settings
        # When the worker was offered the job; the framework exposes it nowhere else.
        self.received_at = ctx._info.received_at or time.time()
        self.life = Lifecycle(
            journal=open_journal(settings, ctx.job.id),
            budgets=settings.budgets,
            hurried_closing_s=settings.hurried_closing_s,
            received_at=asyncio.get_running_loop().time() - (time.time() - self.received_at),
            header={
                "job_id": ctx.job.id,
                "room": ctx.job.room.name,
                "worker_id": ctx.worker_id,
                "pid": os.getpid(),
                **app.header(),
            },
        )
        self.book = JobBook(self.life)
        self.keep_turn = self.book.turn
        self.held = AgentResources()
        self.stage: Stage = make_stage(ctx, self.life.post)
        self.session: AgentSession[Any] | None = None
        self._opening: asyncio.Task[None] | None = None

    async def live(self) -> Outcome:
        """From HANDSHAKE to CLOSED. Returns the outcome, also where it was cancelled."""
        self.book.milestone("handshake_start")
        self.life.start()
        self.life.subscribe(self._log_transition)
        asyncio.get_running_loop().add_signal_handler(
            WORKERS_WORD, self.life.post, Event.SHUTDOWN_REQUESTED
        )
        work = asyncio.create_task(self._work(), name="job-work")
        await self._see_through(self.life.reached(State.CLOSING))
        await self._see_through(self._close(work))
        return self.life.outcome or Outcome.FAILED

    async def _see_through(self, part: Coroutine[Any, Any, object]) -> None:
        """Await a part of the life that a cancellation hurries and does not cut off.

        The framework cancels when it ends the process: the worker is gone, or the room was lost
        15 s ago. Nobody else would then leave the room, or say goodbye.
        """
        task = asyncio.create_task(part, name="job-life")
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self.life.post(Event.SHUTDOWN_REQUESTED)

    async def _work(self) -> None:
        """The way forward. The lifecycle may end it at any await."""
        try:
            await self._handshake()
            waiting = asyncio.create_task(self._comfort(), name="comfort")
            try:
                await self._bootstrap()
                if self.life.state not in (State.READY, State.DEGRADED):
                    return
                await self._start_session()
            finally:
                waiting.cancel()
            await self.app.run(self)
        except (IllegalTransition, LifecycleStopped) as error:
            # The lifecycle has gone on to CLOSING while a step was finishing.
            logger.info("the job's work ended: %s", error)
        except Exception as error:
            logger.exception("the job's own code failed")
            self.book.fault("job", error)
            self.life.post(Event.JOB_CRASHED)

    async def _handshake(self) -> None:
        try:
            await self.book.timed("connect", self.stage.connect())
        except Exception as error:
            logger.error("the room did not connect: %s", type(error).__name__)
            await self.life.fire(Event.HANDSHAKE_FAILED)
            raise LifecycleStopped(Event.HANDSHAKE_FAILED) from error
        await self.life.fire(Event.ROOM_CONNECTED)
        self.book.milestone("ctx_connected")

    async def _bootstrap(self) -> None:
        await self.life.fire(Event.BOOTSTRAP_STARTED)
        self._opening = asyncio.create_task(
            self.book.timed("open_line", self.stage.open_line()), name="open-line"
        )
        await bootstrap_resources(
            self.app.resources(), self.held, on_report=self._on_report, on_late=self._on_late
        )
        # Shielded: where the job ends in the middle of it, last words still need the line.
        await asyncio.shield(self._opening)
        if self.life.state is State.BOOTSTRAPPING:
            await self.life.fire(Event.LOADERS_SETTLED)

    async def _start_session(self) -> None:
        try:
            session, agent = self.app.start_session(self, self.held)
            self.session = session
            session.on("close", self._on_session_closed)
            await self.book.timed("start_session", self.stage.start_session(session, agent))
        except Exception as error:
            logger.exception("the session did not start")
            self.book.fault("start_session", error)
            await self.life.fire(Event.SESSION_FAILED)
            raise LifecycleStopped(Event.SESSION_FAILED) from error
        self.book.milestone("session_started")
        await self.life.fire(Event.SESSION_STARTED)
        self.book.milestone("init_done")

    async def _comfort(self) -> None:
        """Tell somebody who waits that it goes on."""
        await asyncio.sleep(_WAITING_S)
        try:
            clip = self.app.waiting_words()
            if clip is not None and self.stage.candidate_is_here:
                await self.stage.line.play(clip)
        except Exception as error:
            self.book.fault("waiting_words", error)

    # --- closing: one step after another, each in its own budget ----------------------------------

    async def _close(self, work: asyncio.Task[None]) -> None:
        work.cancel()
        try:
            await self._step("stop_work", 2.0, asyncio.wait({work}))
            await self._step("stop_session", 3.0, self._stop_session())
            await self._step("last_words", 8.0, self._say_last_words())
            await self._step("leave_room", 2.0, self._leave_room())
            await self._step("close_resources", _CLOSE_RESOURCES_S, self._close_resources())
            await self._step("sync_journal", 2.0, self.life.journal.commit())
        finally:
            if self.life.state is State.CLOSING:
                with contextlib.suppress(IllegalTransition, LifecycleStopped):
                    await self.life.fire(Event.CLOSED)
            await self.life.stop()
            self.life.journal.close()

    async def _stop_session(self) -> None:
        if self.session is not None:
            await self.session.aclose()

    async def _say_last_words(self) -> None:
        reason = self.life.reason
        clip = self.app.last_words(reason) if reason is not None else None
        if clip is not None and self.stage.candidate_is_here:
            await self.stage.line.play(clip)

    async def _leave_room(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        await self.stage.leave()

    async def _close_resources(self) -> None:
        await self.held.aclose(self._on_closed, budget_s=0.9 * self._within(_CLOSE_RESOURCES_S))

    async def _step(self, name: str, budget_s: float, step: Coroutine[Any, Any, object]) -> None:
        """One step of closing: what hangs or raises is named and passed over."""
        with contextlib.suppress(Exception):
            await self.book.timed(name, bounded(step, self._within(budget_s)))

    def _within(self, budget_s: float) -> float:
        """So many of these seconds are there, in what is left of CLOSING."""
        remaining = self.life.remaining or 0.0  # CLOSED has no budget: that of CLOSING is spent
        return min(budget_s, max(_LEAST_STEP_S, remaining - _LEAST_STEP_S))

    # --- what the resources and the session say ---------------------------------------------------

    async def _on_report(self, report: LoadReport) -> None:
        self.book.loader(f"load {report.name}", report)
        await self.life.fire(Event.LOADER_REPORTED, report.condition())
        if report.required and not report.ok:
            logger.error(
                "there is no session without %s: %s", report.name, report.message or report.reason
            )
            await self.life.fire(report.event)

    async def _on_late(self, report: LoadReport) -> None:
        """An optional loader is done after its budget: attach what it has."""
        self.book.loader(f"load {report.name} (late)", report)
        if not report.ok:
            return
        try:
            await self._attach(report.name)
            await self.life.fire(Event.RESOURCE_RECOVERED, report.condition())
        except (IllegalTransition, LifecycleStopped):
            return
        except Exception as error:
            logger.exception("%s could not be attached", report.name)
            self.book.fault(f"attach {report.name}", error)

    async def _attach(self, name: str) -> None:
        """Put a resource into the session. One that is not made yet will be made with it."""
        if self.session is None:
            return
        # A session that is still starting has no agent to attach anything to.
        await self.life.reached(State.RUNNING, State.CLOSING)
        resource = next(r for r in self.app.resources() if r.name == name)
        if self.life.state is State.RUNNING and resource.attach is not None:
            await resource.attach(self.session, self.held.get(name))

    async def _on_closed(self, report: LoadReport) -> None:
        self.book.loader(f"close {report.name}", report)

    def report(self, condition: Condition) -> None:
        """Say how a resource fares that has loaded, or failed to, before."""
        there = condition.status is Status.READY
        self.life.post(Event.RESOURCE_RECOVERED if there else Event.RESOURCE_LOST, condition)

    def _on_session_closed(self, event: CloseEvent) -> None:
        """A session that closes ends the job: the framework would leave it running for ever."""
        if self.life.state is not State.CLOSING:
            logger.error("the session closed: %s", event.reason)
            self.life.post(Event.SESSION_FAILED)

    def _log_transition(self, transition: Transition) -> None:
        level = logging.DEBUG if transition.internal else logging.INFO
        logger.log(
            level,
            "%s on %s",
            transition.target,
            transition.event,
            extra={"elapsed_ms": round(transition.t * 1000), "reason": transition.reason},
        )
