"""Job side of the lease: take the lease before speaking, and end the job if the lease is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from states import Event, JournalError
from worker.aio.backoff import jittered
from worker.aio.tasks import cancel_and_wait
from worker.resources.resource import LoadFailed
from worker.store.errors import DatabaseError
from worker.store.leases import (
    InterviewCancelled,
    LeaseHeld,
    LeaseRefused,
    keep_lease,
    take_lease,
)

if TYPE_CHECKING:
    from worker.job.handle import JobHandle
    from worker.store.database import Database
    from worker.store.leases import Holder
    from worker.store.scope import Scope

logger = logging.getLogger(__name__)

#: Participant attribute with which an interviewer publishes the id of its interview to the room.
INTERVIEW_ATTRIBUTE: Final = "interview.id"
#: Participant attribute with which an interviewer publishes the token of its lease to the room.
TOKEN_ATTRIBUTE: Final = "interview.token"  # noqa: S105  # a fencing token, no secret

#: Maximum seconds for the database to grant or check the lease. After this time the job continues
#: without a lease, because the candidate should not wait longer in silence.
_BUDGET_S: Final = 2.0
#: Interval of the job's checks of its lease, as a share of the lease duration. A lease that the
#: worker has not renewed for 0.15 durations is renewed by the check (`store.leases`), so that the
#: lease of a job with a stalled worker has at least 0.85 - 0.67 * 1.05 = 0.15 durations left at the
#: next check.
_CHECK: Final = 2 / 3
#: Interval of the attempts to take a lease, as a share of the lease duration.
_TAKE_AGAIN: Final = 1 / 3
#: Maximum number of digits of a token, which is a bigint of PostgreSQL.
_MOST_DIGITS: Final = 19
#: Share by which each interval is made shorter or longer at random.
_JITTER: Final = 0.05


class JobLease:
    """The lease that one job takes on its interview.

    Args:
        interview_id: Id of the interview.
        job_id: Id of this job, stored in the database as the holder of the lease.
        room: Name of this job's room. The interview must have the same room.
        identity: The identity of this job's agent in the room.
        lease_s: Duration of the lease in seconds. The worker renews the lease. The job checks the
            lease every two thirds of the duration, and renews it if the worker is stalled.
        scope: The interviews that belong to this job's worker; the job's interview must be among
            them.
    """

    def __init__(
        self,
        interview_id: str,
        *,
        job_id: str,
        room: str,
        identity: str,
        lease_s: float,
        scope: Scope,
    ) -> None:
        self._interview_id = interview_id
        self._identity = identity
        self._job_id = job_id
        self._lease_s = lease_s
        self._scope = scope
        #: Name of this job's room.
        self.room = room
        #: The fencing token; None while the job has no lease, for example without a database.
        self.token: int | None = None
        #: Called when the database has lost data, because the database was restored from a backup
        #: or the running interview was deleted.
        self.on_forgotten: Callable[[], None] = _nothing
        self._forgotten = ""

    async def take(self, database: Database) -> bool:
        """Take the lease, and set `token`. Return False if the database fails.

        The token stays None if the interview is over or not in the database, which the loader of
        the interview reports. Raises LoadFailed with the event LEASE_LOST if another job holds the
        lease, and with the event METADATA_INVALID if the job must not hold the interview.
        """
        try:
            await self._take(database)
        except LeaseHeld as error:
            raise LoadFailed("LeaseHeld", str(error), event=Event.LEASE_LOST) from error
        except InterviewCancelled:
            return True
        except LeaseRefused as error:
            problem = str(error)
            raise LoadFailed("MetadataInvalid", problem, event=Event.METADATA_INVALID) from error
        except DatabaseError as error:
            logger.warning(
                "the job continues without a lease, as taking it failed: %s",
                error,
                extra={"event": "lease_not_taken"},
            )
            return False
        return True

    @asynccontextmanager
    async def guarded(
        self, job: JobHandle, database: Callable[[], Database | None]
    ) -> AsyncIterator[None]:
        """End the job if another job takes the lease while the `with` block runs.

        The job also ends, with a goodbye, if a command cancels the interview.
        """
        self._write_down(job)
        guards = [
            asyncio.create_task(self._ask_database(job, database), name="lease-database"),
            asyncio.create_task(self._look_around(job), name="lease-room"),
        ]
        try:
            yield
        finally:
            await cancel_and_wait(*guards)

    async def _take(self, database: Database) -> None:
        self.token = await take_lease(
            database,
            self._interview_id,
            job_id=self._job_id,
            lease_s=self._lease_s,
            room=self.room,
            scope=self._scope,
            budget_s=_BUDGET_S,
        )

    def _write_down(self, job: JobHandle) -> None:
        if self.token is not None:
            with contextlib.suppress(JournalError):
                job.life.journal.append("lease", job.life.t, token=self.token)

    async def _ask_database(self, job: JobHandle, database: Callable[[], Database | None]) -> None:
        while True:
            # A job without a lease tries more often, so that no other job takes its interview
            # first.
            share = _CHECK if self.token is not None else _TAKE_AGAIN
            await asyncio.sleep(jittered(self._lease_s * share, share=_JITTER))
            if (there := database()) is None:
                continue
            try:
                if self.token is None:
                    await self._take(there)
                    self._write_down(job)
                    if self.token is not None:
                        await self._announce(job)
                elif (other := await self._other_holder(job, there, self.token)) is not None:
                    if other.cancelled:
                        job.life.post(Event.CANCEL_REQUESTED)
                    else:
                        self._yield_to_other(job, "Database")
                    return
            except InterviewCancelled:
                job.life.post(Event.CANCEL_REQUESTED)
                return
            except (LeaseHeld, LeaseRefused):
                self._yield_to_other(job, "Database")
                return
            except DatabaseError:
                continue  # the interview continues although this job cannot reach the database
            except Exception as error:
                job.recorder.fault("lease", error)

    async def _other_holder(self, job: JobHandle, database: Database, token: int) -> Holder | None:
        """Return who holds the interview if its token has risen; None if this job holds it."""
        holder = await keep_lease(
            database,
            self._interview_id,
            job_id=self._job_id,
            token=token,
            lease_s=self._lease_s,
            budget_s=_BUDGET_S,
        )
        if holder is None:
            self._forget(job, "InterviewDeleted")
        elif holder.token < token:
            self._forget(job, "DatabaseRestored")
        else:
            self._forgotten = ""
        return holder if holder is not None and holder.token > token else None

    def _forget(self, job: JobHandle, how: str) -> None:
        """Report that the database lost data, unless the last check reported the same cause.

        The interview continues, and `on_forgotten` stores the interview's records again as far as
        possible.
        """
        if how == self._forgotten:
            return
        self._forgotten = how
        logger.error(
            "the database lost data of a running interview (deleted row or restored backup?): %s",
            how,
            extra={"event": "database_lost_data"},
        )
        job.recorder.refusal("lease", how)
        self.on_forgotten()

    async def _look_around(self, job: JobHandle) -> None:
        """Publish this job's token; end the job if another interviewer in the room outranks it.

        No database is needed, because every interviewer publishes its token to the room.
        """
        await self._announce(job)
        while not any(self._outranks(*other) for other in job.transport.announced().items()):
            await job.transport.candidate_moved()
        self._yield_to_other(job, "Room")

    async def _announce(self, job: JobHandle) -> None:
        shown = {
            INTERVIEW_ATTRIBUTE: self._interview_id,
            TOKEN_ATTRIBUTE: str(self.token or 0),
        }
        try:
            await job.transport.announce(shown)
        except Exception as error:
            job.recorder.fault("announce", error)

    def _outranks(self, identity: str, attributes: Mapping[str, str]) -> bool:
        """Return whether another interviewer's pair (token, identity) is higher than this job's.

        The identity decides between two interviewers without a lease, because one of them must
        stay.
        """
        token = attributes.get(TOKEN_ATTRIBUTE, "")
        if attributes.get(INTERVIEW_ATTRIBUTE) != self._interview_id:
            return False
        # Limit the digits, because int() raises an error for a number of thousands of digits.
        if not token.isdecimal() or len(token) > _MOST_DIGITS:
            return False
        mine = (self.token or 0, self._identity)
        return (int(token), identity) > mine

    def _yield_to_other(self, job: JobHandle, seen_in: str) -> None:
        """Mute the audio output, then end the job with LEASE_LOST.

        The job mutes the output first, because the framework takes time to close a session.
        """
        job.transport.line.silence()
        job.recorder.refusal("lease", f"SeenIn{seen_in}")
        job.life.post(Event.LEASE_LOST)


def _nothing() -> None:
    """Do nothing: the default of `JobLease.on_forgotten`."""
