"""Recorder that writes a job's steps, turns and faults to its journal, and logs its start-up."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable
from typing import Any, Literal, Protocol, TypeAlias

from states import JournalError, Lifecycle
from worker.aio.loop_monitor import Stall
from worker.journal.resilient import JournalSlow
from worker.resources.resource import LoadReport

#: Log lines of this module appear under the job's logger.
logger = logging.getLogger("worker.job")

#: The `event` fields of the four log lines about the start-up of a job.
Milestone: TypeAlias = Literal["handshake_start", "ctx_connected", "session_started", "init_done"]

#: Milliseconds from job receipt to `init_done` above which a start is logged as slow. The target is
#: 800 ms (`states.timeline.TARGET_S`).
SLOW_START_MS = 1000.0


#: Maximum seconds to wait until the database has stored a turn, counted from the end of the sync of
#: the turn to disk.
ACKNOWLEDGED_WITHIN_S = 0.2


class Acknowledged(Protocol):
    """Function that waits up to `within_s` seconds until the database has a record."""

    async def __call__(self, seq: int, *, within_s: float) -> bool:
        """Wait for the record `seq`; return True if the database has that record. Never raises."""
        ...


class JobRecorder:
    """Recorder for the journal of one job. A failed write never stops the job."""

    def __init__(self, life: Lifecycle) -> None:
        self._life = life
        #: Waits until the database has a record; None while no records are ingested.
        self.acknowledged: Acknowledged | None = None

    async def timed(self, name: str, step: Awaitable[object]) -> None:
        """Await a step, and record its result and duration. Raises the step's error, if any."""
        began = self._life.t
        reason = "Cancelled"
        try:
            await step
            reason = "Done"
        except Exception as error:
            reason = type(error).__name__
            raise
        finally:
            self._step(
                name,
                ok=reason == "Done",
                reason=reason,
                elapsed_ms=round((self._life.t - began) * 1000, 3),
                attempts=1,
            )

    def loader(self, name: str, report: LoadReport) -> None:
        """Record the result of loading or closing a resource."""
        waited = {} if report.needs is None else {"needs": report.needs}
        budget = {} if report.budget_s is None else {"budget_s": report.budget_s}
        self._step(
            name,
            ok=report.ok,
            reason=report.reason,
            elapsed_ms=report.elapsed_ms,
            attempts=report.attempts,
            **waited,
            **budget,
        )

    def _step(self, name: str, **result: Any) -> None:
        with contextlib.suppress(JournalError):
            self._life.journal.append("step", self._life.t, name=name, **result)

    async def turn(self, **turn: Any) -> None:
        """Write a turn, and return once the turn is committed. Errors are only logged.

        This method syncs the turn to disk, and waits up to `ACKNOWLEDGED_WITHIN_S` seconds for the
        database to store the turn. So the loss of the machine loses the turn only if the database
        has not stored the turn in time. If the disk is known to be slow, the method does not wait
        for the sync, because the record is already in the page cache and survives a crash of the
        process.
        """
        try:
            record = self._life.journal.append("turn", self._life.t, **turn)
        except JournalError as error:
            logger.error(
                "writing a turn to the journal failed: %s",
                error,
                extra={"event": "turn_write_failed"},
            )
            return
        try:
            await self._life.journal.commit()
        except JournalSlow:
            pass  # the slow disk is reported once, as a condition of the job
        except JournalError as error:
            logger.error(
                "syncing a turn to disk failed: %s", error, extra={"event": "turn_sync_failed"}
            )
        if self.acknowledged is not None:
            await self.acknowledged(int(record["seq"]), within_s=ACKNOWLEDGED_WITHIN_S)

    def hearing(self, final: str, interim: str, question_id: str | None) -> int | None:
        """Record a part of the candidate's current answer; return the record's sequence number.

        The record is in the page cache, so it survives a crash of the process. Returns None if the
        record cannot be written.
        """
        with contextlib.suppress(JournalError):
            record = self._life.journal.append(
                "hearing", self._life.t, final=final, interim=interim, question_id=question_id
            )
            return int(record["seq"])
        return None

    def fault(self, where: str, error: BaseException) -> None:
        """Record only the type of an error, because the message may quote personal data."""
        self.refusal(where, type(error).__name__)

    def refusal(self, where: str, reason: str) -> None:
        """Record a fault without an exception, such as a refused reply, as one CamelCase word."""
        with contextlib.suppress(JournalError):
            self._life.journal.append("fault", self._life.t, where=where, error=reason)

    def lasted(self, where: str, reason: str, seconds: float) -> None:
        """Record a fault that lasted for `seconds`."""
        with contextlib.suppress(JournalError):
            self._life.journal.append(
                "fault", self._life.t, where=where, error=reason, seconds=round(seconds, 3)
            )

    def typed_refused(self, messages: int) -> None:
        """Record how many typed messages were refused since the last record, but not the texts."""
        with contextlib.suppress(JournalError):
            self._life.journal.append(
                "fault",
                self._life.t,
                where="typed",
                error="TooManyMessages",
                messages=messages,
            )

    def rung(self, name: str, reason: str, silent_s: float) -> None:
        """Record a step of the stuck-turn recovery, `silent_s` seconds after the last speech."""
        with contextlib.suppress(JournalError):
            self._life.journal.append(
                "fault",
                self._life.t,
                where="turn",
                error=reason,
                rung=name,
                silent_s=round(silent_s, 3),
            )

    def away(self, away_s: float) -> None:
        """Record that the room was disconnected and nothing was audible for `away_s` seconds."""
        with contextlib.suppress(JournalError):
            self._life.journal.append(
                "fault", self._life.t, where="room", error="RoomAway", away_s=round(away_s, 3)
            )

    def stalled(self, stall: Stall) -> None:
        """Record that the event loop was blocked."""
        with contextlib.suppress(JournalError):
            self._life.journal.append(
                "fault",
                self._life.t,
                where="loop",
                error="LoopStalled",
                call=stall.call,
                stalled_s=round(stall.stalled_s, 3),
                said=stall.said,
            )

    def milestone(self, name: Milestone) -> None:
        """Log one of the four start-up lines, with the milliseconds since the job was received."""
        elapsed_ms = round(self._life.t * 1000, 1)
        match name:
            case "handshake_start":
                logger.info(
                    "handshake_start: the job began",
                    extra={"event": "handshake_start", "elapsed_ms": elapsed_ms},
                )
            case "ctx_connected":
                logger.info(
                    "ctx_connected: the job is connected to the room",
                    extra={"event": "ctx_connected", "elapsed_ms": elapsed_ms},
                )
            case "session_started":
                logger.info(
                    "session_started: the agent session runs",
                    extra={"event": "session_started", "elapsed_ms": elapsed_ms},
                )
            case "init_done" if elapsed_ms > SLOW_START_MS:
                logger.warning(
                    "init_done: the start of the job is complete",
                    extra={"event": "init_done", "elapsed_ms": elapsed_ms, "slow": True},
                )
            case "init_done":
                logger.info(
                    "init_done: the start of the job is complete",
                    extra={"event": "init_done", "elapsed_ms": elapsed_ms},
                )
