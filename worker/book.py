"""What a job writes down besides its transitions: steps, turns, faults, and start-up lines."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable
from typing import Any, Protocol

from states import JournalError, Lifecycle
from worker.journal import JournalSlow
from worker.loop_watch import Stall
from worker.resources.base import LoadReport

#: The job speaks here, of itself.
logger = logging.getLogger("worker.job")

#: Above so many milliseconds from receipt to `init_done` (the target is 800) somebody should look.
SLOW_START_MS = 1000.0


#: Seconds after the disk that a turn waits for the database.
ACKNOWLEDGED_WITHIN_S = 0.2


class Acknowledged(Protocol):
    """Says whether the database has a record, as soon as it has, or after so many seconds."""

    async def __call__(self, seq: int, *, within_s: float) -> bool:
        """Never raises."""
        ...


class JobBook:
    """Writes into the journal of one job. A record that cannot be written stops nothing."""

    def __init__(self, life: Lifecycle) -> None:
        self._life = life
        #: Waits until the database has a record, where one is shipped to.
        self.acknowledged: Acknowledged | None = None

    async def timed(self, name: str, step: Awaitable[object]) -> None:
        """Await a step and record how it went. Raises what the step raises."""
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
        """Record how a loader or closer fared."""
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
        """Write a turn and return once it is committed. Never raises: a full disk is logged.

        Committed is on the disk, and then in the database or `ACKNOWLEDGED_WITHIN_S` later,
        whichever is first: a machine that dies costs nothing unless the database was away too.
        A disk that is slow is not waited for: what it holds by then outlives the process.
        """
        try:
            record = self._life.journal.append("turn", self._life.t, **turn)
        except JournalError as error:
            logger.error("a turn is not written: %s", error)
            return
        try:
            await self._life.journal.commit()
        except JournalSlow:
            pass  # a condition of the job, told once
        except JournalError as error:
            logger.error("a turn is not on the disk: %s", error)
        if self.acknowledged is not None:
            await self.acknowledged(int(record["seq"]), within_s=ACKNOWLEDGED_WITHIN_S)

    def hearing(self, final: str, interim: str, question_id: str | None) -> int | None:
        """Write down a piece of the candidate's answer while it is given; returns its seq.

        In the page cache, which survives the process; None where it cannot be written.
        """
        with contextlib.suppress(JournalError):
            record = self._life.journal.append(
                "hearing", self._life.t, final=final, interim=interim, question_id=question_id
            )
            return int(record["seq"])
        return None

    def fault(self, where: str, error: BaseException) -> None:
        """Record something that went wrong, by its kind only: a message may quote anybody."""
        self.refusal(where, type(error).__name__)

    def refusal(self, where: str, reason: str) -> None:
        """Record that something was not good enough to be used, by one word in CamelCase."""
        with contextlib.suppress(JournalError):
            self._life.journal.append("fault", self._life.t, where=where, error=reason)

    def lasted(self, where: str, reason: str, seconds: float) -> None:
        """Record something that was not as it should be for so many seconds."""
        with contextlib.suppress(JournalError):
            self._life.journal.append(
                "fault", self._life.t, where=where, error=reason, seconds=round(seconds, 3)
            )

    def rung(self, name: str, reason: str, silent_s: float) -> None:
        """Record a step of the ladder that was taken after so many seconds without speech."""
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
        """Record that the room was away, and nobody heard anything, for so many seconds."""
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

    def milestone(self, name: str) -> None:
        """Log one of the four start-up lines: `elapsed_ms` counts from the job's receipt."""
        elapsed_ms = round(self._life.t * 1000, 1)
        slow = name == "init_done" and elapsed_ms > SLOW_START_MS
        logger.log(
            logging.WARNING if slow else logging.INFO,
            name,
            extra={"elapsed_ms": elapsed_ms, **({"slow": True} if slow else {})},
        )
