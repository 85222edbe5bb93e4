"""A job's side of being followed by another: what it does so that nothing is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from worker.continuity.presence import FRESH_S
from worker.continuity.rescue import DatabaseLedger, LiveKitRooms, Rescue, limits_of
from worker.store.errors import DatabaseError
from worker.store.progress import store_end
from worker.store.stranded import WORTH_ANOTHER_TRY
from worker.store.workers import can_be_followed

if TYPE_CHECKING:
    from states import Outcome, Reason
    from worker.continuity.lease import JobLease
    from worker.settings import Settings
    from worker.shipping import LiveShipper
    from worker.store.pool import Database

#: Seconds that somebody who speaks may go on: most sentences are shorter, and who waits for the
#: worker's end does not wait longer for this.
SENTENCE_S: Final = 4.0
#: Seconds for the database to say who is there, while the candidate hears nothing.
_ASK_S: Final = 0.5
#: Seconds for the database to have the last records, and the end.
_SHIP_S: Final = 1.0
_STORE_S: Final = 1.0


class NotShipped(Exception):
    """The database has not got all that was written; the worker ships it, and then sends somebody.

    Until then a newcomer would not know what was said last.
    """


class Talk(Protocol):
    """What is going on between the two, which can be brought to a stop."""

    @property
    def almost_done(self) -> bool:
        """Whether goodbye is being said."""
        ...

    async def come_to_a_stop(self, longest_s: float) -> None:
        """Begin nothing any more, let whoever speaks come to a pause, and cut off the rest."""
        ...


class InterviewSuccession:
    """How one job's interview is passed on; `worker.application.Succession` says when.

    Args:
        settings: LiveKit's address, the name of the workers, and how often somebody is sent.
        interview_id: Whose.
        job_id: This job.
        lease: The job's lease.
    """

    def __init__(
        self, settings: Settings, *, interview_id: str, job_id: str, lease: JobLease
    ) -> None:
        self._settings = settings
        self._interview_id = interview_id
        self._job_id = job_id
        self._lease = lease
        self._all_shipped = False
        #: The job's database, once it has one, and what ships its records there.
        self.database: Database | None = None
        self.shipper: LiveShipper | None = None
        #: Once there is a session.
        self.talk: Talk | None = None
        #: Whether somebody comes after this job, as far as it is known.
        self.expected = False

    @property
    def almost_done(self) -> bool:
        """As the talk says; before there is one it is only beginning."""
        return self.talk is not None and self.talk.almost_done

    async def expects_successor(self, failure: Reason | None) -> bool | None:
        """Ask the database for a worker. One that does not answer tells nothing."""
        self.expected = False
        if failure is not None and failure not in WORTH_ANOTHER_TRY:
            return False
        if self.database is None or self._lease.token is None:
            return None
        try:
            self.expected = await can_be_followed(
                self.database,
                self._job_id,
                agent_name=self._settings.agent_name,
                fresh_s=FRESH_S,
                failed_tries=self._settings.redispatch_tries if failure else None,
                budget_s=_ASK_S,
            )
        except DatabaseError:
            return None
        return self.expected

    async def finish_sentence(self, *, at_once: bool) -> None:
        """Bring the talk to a stop, in `SENTENCE_S` seconds or at once."""
        if self.talk is not None:
            await self.talk.come_to_a_stop(0.0 if at_once else SENTENCE_S)

    async def ship(self) -> None:
        """Wait until the database has every record. Raises NotShipped."""
        if self.shipper is not None and not await self.shipper.all_shipped(within_s=_SHIP_S):
            raise NotShipped
        self._all_shipped = True

    async def release_lease(self, outcome: Outcome, reason: Reason) -> None:
        """Store the end, and let go of the lease. Raises NotShipped and DatabaseError."""
        if self.database is None:
            return  # the worker stores it, from the journal
        if not self._all_shipped:
            raise NotShipped
        await store_end(
            self.database,
            self._interview_id,
            job_id=self._job_id,
            token=self._lease.token,
            outcome=outcome,
            reason=reason,
            budget_s=_STORE_S,
        )

    async def send_successor(self) -> None:
        """Send somebody, if the candidate is there. Raises DatabaseError."""
        if self.database is not None:
            ledger = DatabaseLedger(self.database, limits_of(self._settings))
            rescue = Rescue(LiveKitRooms(self._settings), grace_s=self._settings.candidate_grace_s)
            await rescue.look_at(ledger, job_id=self._job_id)
