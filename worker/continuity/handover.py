"""The steps with which a job hands its interview over to another job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from worker.continuity.metadata_cipher import InterviewKey, WorkerKeys
from worker.continuity.orphan_store import DatabaseOrphanStore, limits_of
from worker.continuity.redispatch import Redispatcher
from worker.continuity.rooms import LiveKitRooms
from worker.continuity.scope import scope_of
from worker.continuity.worker_registry import FRESH_S
from worker.job.application import declared_in
from worker.livekit_api.client import LiveKitClient
from worker.store.errors import DatabaseError
from worker.store.interview_status import store_end
from worker.store.orphans import WORTH_ANOTHER_TRY
from worker.store.workers import can_be_followed

if TYPE_CHECKING:
    from states import EndReason, Outcome
    from worker.config.settings import Settings
    from worker.continuity.dispatch_metadata import Seal
    from worker.continuity.job_lease import JobLease
    from worker.journal.shipper import JournalShipper
    from worker.livekit_api.calls import LiveKitCalls
    from worker.livekit_api.job_access import JobAccess
    from worker.store.database import Database
    from worker.store.interviews import Interview

#: Maximum seconds to wait until the current speaker pauses. Most sentences are shorter. The wait is
#: part of the time that the worker's shutdown takes anyway.
SENTENCE_S: Final = 4.0
#: Maximum seconds for the database to report free workers. The candidate hears nothing while the
#: database answers.
_ASK_S: Final = 0.5
#: Maximum seconds for the database to store the job's last records.
_SHIP_S: Final = 1.0
#: Maximum seconds for the database to store the job's end.
_STORE_S: Final = 1.0


class NotShipped(Exception):
    """Raised if some of the job's records are not in the database yet.

    The worker ingests the missing records first, and then redispatches the interview. An
    interviewer that is dispatched earlier would not know the last turns.
    """


class Talk(Protocol):
    """The conversation between interviewer and candidate. A handover stops the conversation."""

    @property
    def almost_done(self) -> bool:
        """True once the interviewer says goodbye."""
        ...

    async def come_to_a_stop(self, longest_s: float) -> None:
        """Start no new speech, let the current speaker finish, and end all speech.

        The wait for each speaker takes at most `longest_s` seconds.
        """
        ...


class InterviewHandover:
    """Hands over one job's interview; `worker.job.application.HandoverHooks` documents the steps.

    Args:
        settings: Agent name and redispatch limits.
        interview_id: Id of the interview.
        job_id: Id of this job.
        lease: The lease of this job on the interview.
        access: Access of the job to LiveKit's API; None outside a worker, for example in a test,
            where the settings have the API key.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        interview_id: str,
        job_id: str,
        lease: JobLease,
        access: JobAccess | None = None,
    ) -> None:
        self._settings = settings
        self._access = access
        self._interview_id = interview_id
        self._job_id = job_id
        self._lease = lease
        self._all_shipped = False
        #: The database of the job; None while the database is not loaded.
        self.database: Database | None = None
        #: Ingests the records of the job into `database`; None until the ingestion begins.
        self.shipper: JournalShipper | None = None
        #: The conversation; None until the session exists.
        self.talk: Talk | None = None
        #: True if the last `expects_successor` found a worker that can take over.
        self.expected = False

    @property
    def almost_done(self) -> bool:
        """True once the interviewer says goodbye; False before the session exists."""
        return self.talk is not None and self.talk.almost_done

    async def expects_successor(self, failure: EndReason | None) -> bool | None:
        """Return whether another worker can take over the interview; None if unknown.

        Returns False if the job failed for a reason that another job would meet too (not in
        `WORTH_ANOTHER_TRY`). Returns None if the job has no database or no lease, or if the
        database does not answer.
        """
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
                livekit_url=scope_of(self._settings).livekit,
                failed_tries=self._settings.redispatch_tries if failure else None,
                budget_s=_ASK_S,
            )
        except DatabaseError:
            return None
        return self.expected

    async def finish_sentence(self, *, at_once: bool) -> None:
        """Stop the conversation at a pause (see `Talk.come_to_a_stop`), or now if `at_once`."""
        if self.talk is not None:
            await self.talk.come_to_a_stop(0.0 if at_once else SENTENCE_S)

    async def ship(self) -> None:
        """Wait until the database has every record; raise NotShipped after `_SHIP_S` seconds."""
        if self.shipper is not None and not await self.shipper.all_shipped(within_s=_SHIP_S):
            raise NotShipped
        self._all_shipped = True

    async def release_lease(self, outcome: Outcome, reason: EndReason) -> None:
        """Store how the job ended, and release the lease.

        Raises NotShipped if `ship` has not succeeded before, and DatabaseError if the database
        fails.
        """
        if self.database is None:
            return  # the worker reads the job's end from the journal, and stores it
        if not self._all_shipped:
            raise NotShipped
        await store_end(
            self.database,
            self._interview_id,
            job_id=self._job_id,
            room=self._lease.room,
            token=self._lease.token,
            outcome=outcome,
            reason=reason,
            budget_s=_STORE_S,
        )

    async def send_successor(self) -> None:
        """Redispatch the interview if the candidate is in the room.

        Raises DatabaseError if the database cannot tell whether the interview is orphaned.
        """
        if self.database is not None:
            limits = limits_of(self._settings, scope_of(self._settings))
            ledger = DatabaseOrphanStore(self.database, limits)
            rescue = Redispatcher(
                LiveKitRooms(
                    self._livekit(), agent_name=self._settings.agent_name, seal=self._seal
                ),
                identity=declared_in(self._settings).identity,
                grace_s=self._settings.candidate_grace_s,
            )
            await rescue.look_at(ledger, job_id=self._job_id)

    def _livekit(self) -> LiveKitCalls:
        if self._access is None:
            return LiveKitClient.of(self._settings)
        return self._access.livekit

    def _seal(self, interview: Interview) -> Seal:
        """Return the function that encrypts this interview's dispatches.

        Raises ValueError without a key.
        """
        if self._access is None:
            return WorkerKeys.of(self._settings).seal(interview)
        key = InterviewKey.from_text(
            self._access.metadata_key, room=self._access.room, interview_id=self._interview_id
        )
        return key.encrypt
