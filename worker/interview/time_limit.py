"""The time limit of an interview: which seconds of this job and of earlier jobs count.

The limit is the budget of RUNNING (INTERVIEW_BUDGET_RUNNING_S), which the state machine watches.
This module tells the state machine when the budget's clock runs, and how many seconds the earlier
jobs of the interview have used.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from states import Event, JournalError
from states.transition import IllegalTransition, LifecycleStopped
from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import cancel_and_wait
from worker.store.errors import DatabaseError
from worker.store.talk_time import talk_seconds

if TYPE_CHECKING:
    from worker.job.handle import JobHandle
    from worker.store.database import Database
    from worker.transport.livekit_room import Transport

logger = logging.getLogger(__name__)

#: Maximum seconds to read from the database how much time earlier jobs have used. The limit is
#: short, because the candidate waits and the dispatch contains the time too.
_READ_S: Final = 1.0
#: Delays until a record of the clock that could not be written is tried again.
_RETRY: Final = ExponentialBackoff(first_s=0.5, longest_s=5.0)


class InterviewTime:
    """The seconds that count for the time limit of one interview.

    The seconds in RUNNING count while the candidate is present and output is not paused, over all
    jobs of the interview. Output is paused while the candidate cannot hear it (`OutboundMonitor`,
    `InboundMonitor`).

    Args:
        interview_id: Id of the interview.
        job_id: Id of this job.
        told_s: The seconds that earlier jobs have used, according to the dispatch.
    """

    def __init__(self, interview_id: str, *, job_id: str, told_s: float) -> None:
        self._interview_id = interview_id
        self._job_id = job_id
        #: Seconds that earlier jobs have used: the larger value of the dispatch and the database,
        #: because the database may lack the last records of a job whose machine was lost.
        self.earlier_s = told_s
        self._changed = asyncio.Event()

    async def read(self, database: Database) -> None:
        """Read the seconds of earlier jobs. After a failure, the value from the dispatch is used.

        Takes at most `_READ_S` seconds.
        """
        try:
            stored_s = await talk_seconds(
                database, self._interview_id, besides=self._job_id, budget_s=_READ_S
            )
        except DatabaseError as error:
            logger.warning(
                "the time that earlier jobs of the interview used was not read: %s",
                error,
                extra={"event": "earlier_time_not_read"},
            )
        else:
            self.earlier_s = max(self.earlier_s, stored_s)

    def carry_over(self, job: JobHandle) -> None:
        """Subtract the seconds of earlier jobs from the time limit of this job."""
        # Ignore JournalError, because only the journal of an ended job takes no record.
        with contextlib.suppress(JournalError):
            job.life.carry_over(self.earlier_s)

    @asynccontextmanager
    async def counted(self, job: JobHandle) -> AsyncIterator[None]:
        """During the block, count only time in which the candidate is present and can hear."""
        line = job.transport.line
        line.on_held = self._changed.set
        tasks = (
            asyncio.create_task(self._follow(job), name="time-limit"),
            asyncio.create_task(self._note_moves(job.transport), name="time-limit-moves"),
        )
        try:
            yield
        finally:
            await cancel_and_wait(*tasks)

    async def _note_moves(self, transport: Transport) -> None:
        while True:
            await transport.candidate_moved()
            self._changed.set()

    async def _follow(self, job: JobHandle) -> None:
        """Stop and restart the clock as the candidate leaves and returns, until the job ends."""
        try:
            await self._keep_clock(job)
        except (IllegalTransition, LifecycleStopped):
            return  # the job has ended
        except Exception as error:
            logger.exception(
                "the clock cannot be stopped, so absences count for the time limit from now on",
                extra={"event": "time_limit_failed"},
            )
            job.recorder.fault("time_limit", error)
            # Let the clock run, because the job would otherwise have no time limit.
            job.life.post(Event.CLOCK_RESUMED)

    async def _keep_clock(self, job: JobHandle) -> None:
        transport = job.transport
        runs = True  # the clock already runs when the job enters RUNNING
        delays = _RETRY.delays()
        while True:
            counts = transport.candidate_is_here and not transport.line.held
            if counts is runs:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                await job.life.fire(Event.CLOCK_RESUMED if counts else Event.CLOCK_STOPPED)
            except JournalError:
                await asyncio.sleep(next(delays))
            else:
                runs = counts
                delays = _RETRY.delays()
