"""One job's life, from handshake to closed. The lifecycle decides; this performs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import AgentSession, CloseEvent, JobContext

from states import (
    Condition,
    Event,
    FileJournal,
    JournalError,
    Lifecycle,
    MemoryJournal,
    Outcome,
    State,
    Status,
)
from states.machine import IllegalTransition, LifecycleStopped, Transition
from worker.application import Application
from worker.resources.base import LoadReport
from worker.resources.bootstrap import AgentResources, bootstrap_resources
from worker.settings import Settings
from worker.stage import RoomStage

logger = logging.getLogger(__name__)

#: Seconds of silence after which somebody who waits for the session is told to wait.
_WAITING_S = 2.0

#: What the worker sends to its job processes when it goes away: SIGTERM also reaches them from
#: a process group, a container runtime or an operator, and they mind only their worker's word.
WORKERS_WORD = signal.SIGUSR2


class Job:
    """One job. `live` is its life; everything else is a step of it."""

    def __init__(self, ctx: JobContext, app: Application, settings: Settings) -> None:
        self.ctx = ctx
        self.app = app
        self.settings = settings
        # When the worker was offered the job; the framework exposes it nowhere else.
        self.received_at = ctx._info.received_at or time.time()
        self.life = Lifecycle(
            journal=_open_journal(settings, ctx.job.id),
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
        self.held = AgentResources()
        self.stage = RoomStage(ctx, self.life.post)
        self.session: AgentSession[Any] | None = None

    async def live(self) -> Outcome:
        """From HANDSHAKE to CLOSED. Returns the outcome; raises nothing but cancellation."""
        log("handshake_start", self.life)
        self.life.start()
        self.life.subscribe(self._log_transition)
        asyncio.get_running_loop().add_signal_handler(
            WORKERS_WORD, self.life.post, Event.SHUTDOWN_REQUESTED
        )
        work = asyncio.create_task(self._work(), name="job-work")
        try:
            await self.life.reached(State.CLOSING)
        except asyncio.CancelledError:
            # The framework ends the process: the worker is gone, or the room was lost 15 s ago.
            self.life.post(Event.SHUTDOWN_REQUESTED)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self.life.reached(State.CLOSING))
        work.cancel()
        await asyncio.wait({work})
        await self._close()
        return self.life.outcome or Outcome.FAILED

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
            self.fault("job", error)
            self.life.post(Event.JOB_CRASHED)

    async def _handshake(self) -> None:
        try:
            await self.timed("connect", self.stage.connect())
        except Exception as error:
            logger.error("the room did not connect: %s", type(error).__name__)
            await self.life.fire(Event.HANDSHAKE_FAILED)
            raise LifecycleStopped(Event.HANDSHAKE_FAILED) from error
        await self.life.fire(Event.ROOM_CONNECTED)
        log("ctx_connected", self.life)

    async def _bootstrap(self) -> None:
        await self.life.fire(Event.BOOTSTRAP_STARTED)
        opening = asyncio.create_task(self.timed("open_line", self.stage.open_line()))
        await bootstrap_resources(
            self.app.resources(), self.held, on_report=self._on_report, on_late=self._on_late
        )
        await opening
        if self.life.state is State.BOOTSTRAPPING:
            await self.life.fire(Event.LOADERS_SETTLED)

    async def _start_session(self) -> None:
        try:
            session, agent = self.app.start_session(self, self.held)
            self.session = session
            session.on("close", self._on_session_closed)
            await self.timed("start_session", self.stage.start_session(session, agent))
        except Exception as error:
            logger.exception("the session did not start")
            self.fault("start_session", error)
            await self.life.fire(Event.SESSION_FAILED)
            raise LifecycleStopped(Event.SESSION_FAILED) from error
        log("session_started", self.life)
        await self.life.fire(Event.SESSION_STARTED)
        log("init_done", self.life)

    async def _comfort(self) -> None:
        """Tell somebody who waits that it goes on."""
        await asyncio.sleep(_WAITING_S)
        clip = self.app.waiting_words()
        if clip is not None and self.stage.candidate_is_here:
            await self.stage.line.play(clip)

    # --- closing: one step after another, each in its own budget ----------------------------------

    async def _close(self) -> None:
        try:
            await self._step("stop_session", 3.0, self._stop_session())
            await self._step("last_words", 8.0, self._say_last_words())
            await self._step("leave_room", 2.0, self.stage.leave())
            await self._step("close_resources", 3.0, self.held.aclose(self._on_closed))
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

    async def _step(self, name: str, budget_s: float, step: Awaitable[None]) -> None:
        """One step of closing: what hangs or raises is named and passed over."""
        remaining = self.life.remaining
        bound = budget_s if remaining is None else min(budget_s, max(0.2, remaining - 0.2))

        async def bounded() -> None:
            async with asyncio.timeout(bound):
                await step

        with contextlib.suppress(Exception):
            await self.timed(name, bounded())

    # --- the journal ------------------------------------------------------------------------------

    async def timed(self, name: str, step: Awaitable[None]) -> None:
        """Await a step and record how it went. Raises what the step raises."""
        began = self.life.t
        reason = "Cancelled"
        try:
            await step
            reason = "Done"
        except Exception as error:
            reason = type(error).__name__
            raise
        finally:
            self._record_step(
                name,
                ok=reason == "Done",
                reason=reason,
                elapsed_ms=round((self.life.t - began) * 1000, 3),
                attempts=1,
            )

    async def keep_turn(self, **turn: Any) -> None:
        """Write a turn and return once it is on the disk. Never raises: a full disk is a fault."""
        try:
            self.life.journal.append("turn", self.life.t, **turn)
            await self.life.journal.commit()
        except JournalError as error:
            logger.error("a turn is not on the disk: %s", error)

    def fault(self, where: str, error: BaseException) -> None:
        """Record something that went wrong, by its kind only: a message may quote anybody."""
        with contextlib.suppress(JournalError):
            self.life.journal.append("fault", self.life.t, where=where, error=type(error).__name__)

    def _record_step(self, name: str, **result: Any) -> None:
        with contextlib.suppress(JournalError):
            self.life.journal.append("step", self.life.t, name=name, **result)

    # --- what the resources and the session say ---------------------------------------------------

    async def _on_report(self, report: LoadReport) -> None:
        self._on_step(f"load {report.name}", report)
        await self.life.fire(Event.LOADER_REPORTED, report.condition())
        if report.required and not report.ok:
            logger.error(
                "there is no session without %s: %s", report.name, report.message or report.reason
            )
            await self.life.fire(report.event)

    async def _on_late(self, report: LoadReport) -> None:
        """An optional loader is done after its budget: attach what it has."""
        self._on_step(f"load {report.name} (late)", report)
        if not report.ok:
            return
        resource = next(r for r in self.app.resources() if r.name == report.name)
        try:
            if self.session is not None and resource.attach is not None:
                await resource.attach(self.session, self.held.get(report.name))
            await self.life.fire(Event.RESOURCE_RECOVERED, report.condition())
        except (IllegalTransition, LifecycleStopped):
            return
        except Exception as error:
            logger.exception("%s could not be attached", report.name)
            self.fault(f"attach {report.name}", error)

    async def _on_closed(self, report: LoadReport) -> None:
        self._on_step(f"close {report.name}", report)

    def _on_step(self, name: str, report: LoadReport) -> None:
        self._record_step(
            name,
            ok=report.ok,
            reason=report.reason,
            elapsed_ms=report.elapsed_ms,
            attempts=report.attempts,
        )

    def lost(self, resource: str, reason: str) -> None:
        """Say that a resource that had loaded is gone."""
        self.life.post(
            Event.RESOURCE_LOST, Condition(resource=resource, status=Status.LOST, reason=reason)
        )

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


Entrypoint = Callable[[JobContext], Awaitable[None]]


def log(milestone: str, life: Lifecycle) -> None:
    """One of the four start-up lines: `elapsed_ms` counts from the job's receipt."""
    elapsed_ms = round(life.t * 1000, 1)
    # The target of `init_done` is 800 ms; above 1 s somebody should look.
    slow = milestone == "init_done" and elapsed_ms > 1000
    logger.log(
        logging.WARNING if slow else logging.INFO,
        milestone,
        extra={"elapsed_ms": elapsed_ms, **({"slow": True} if slow else {})},
    )


def _open_journal(settings: Settings, job_id: str) -> FileJournal | MemoryJournal:
    try:
        return FileJournal(settings.journal_dir / f"{job_id}.jsonl")
    except JournalError as error:
        logger.error("the job goes on without a journal on disk: %s", error)
        return MemoryJournal()
