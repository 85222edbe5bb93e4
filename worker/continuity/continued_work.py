"""Lets another job continue unfinished work, for applications that do not conduct interviews.

The dispatch names the work and the person, as JSON: `{"interview_id": "booking-17",
"candidate_identity": "visitor"}`, and any further data of the application, except under the keys
`plan`, `follows`, `protocol` and `encrypted`, which the dispatch of a new job uses. The first job
stores the work as a row of the table `interviews`, with the whole dispatch as its plan. All jobs of
the work join the room of the first job, and a room has at most one unfinished work. Stored work is
treated like an interview (docs/explanation/continuity.md): it has a lease, its turns are in the
database, and a new job continues it if a job is lost while the person is in the room. The dispatch
of the new job contains the data of the first dispatch.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from states import Event
from worker.aio.timeouts import run_with_timeout
from worker.continuity.dispatch_metadata import (
    MetadataInvalid,
    read_follows,
    read_metadata,
    read_turns,
)
from worker.continuity.handover import InterviewHandover
from worker.continuity.job_lease import JobLease
from worker.continuity.own_interview import check_own, not_own
from worker.continuity.scope import scope_of
from worker.job.application import declared_in
from worker.resources.resource import LoadFailed, Resource
from worker.store.errors import DatabaseError
from worker.store.interview_turns import turns_of
from worker.store.interviews import (
    InterviewClosedToJob,
    InterviewExists,
    create_interview,
    get_interview,
)
from worker.store.turns import turn_as_data

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from worker.config.settings import Settings
    from worker.job.application import Dispatch
    from worker.job.handle import JobHandle
    from worker.resources.resource import AgentResources
    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Name of the resource that `ContinuedWork.resource` declares.
WORK: Final = "work"
#: Maximum seconds for one database operation, during which the person in the room waits.
_BUDGET_S: Final = 2.0


class ContinuedWork:
    """The work that a job does, and the turns of the earlier jobs that did this work.

    An application creates a `ContinuedWork` in its constructor, declares `resource()` beside the
    database, returns `header()` and `handover` in its own `header` and `succession`, and does its
    work within `kept(job)`.
    """

    def __init__(self, dispatch: Dispatch, settings: Settings) -> None:
        self._dispatch = dispatch
        self._scope = scope_of(settings)
        self._problem = ""
        #: Data of the work: the metadata of the first dispatch for this work.
        self.data: Mapping[str, Any] = {}
        #: Identity of the person in the room.
        self.person = ""
        #: Turns of the earlier jobs of the work, oldest first, complete once the resource `work` is
        #: loaded. Each turn has the fields speaker, text, question_id, role and interrupted.
        self.turns: list[Mapping[str, Any]] = []
        self._header: dict[str, Any] = {"interview_id": None}
        self._database: Database | None = None
        self._lease: JobLease | None = None
        #: Steps of a handover, for the application's `succession`; None if the dispatch names no
        #: work.
        self.handover: InterviewHandover | None = None
        try:
            self._work_id, stored = read_metadata(dispatch.metadata)
            self.data = stored or json.loads(dispatch.metadata)
            self.person = str(self.data.get("candidate_identity") or "")
            self.turns = read_turns(dispatch.metadata)
        except MetadataInvalid as problem:
            self._problem = str(problem)
            return
        self._header = {"interview_id": self._work_id, **read_follows(dispatch.metadata)}
        self._lease = JobLease(
            self._work_id,
            job_id=dispatch.job_id,
            room=dispatch.room,
            identity=declared_in(settings).identity(dispatch.job_id),
            lease_s=settings.lease_s,
            scope=self._scope,
        )
        self.handover = InterviewHandover(
            settings,
            interview_id=self._work_id,
            job_id=dispatch.job_id,
            lease=self._lease,
            access=dispatch.access,
        )

    def header(self) -> Mapping[str, Any]:
        """Return the work's id and the previous job, for the application's `header`."""
        return self._header

    def resource(self) -> Resource:
        """Return the resource `work`, whose loader takes the lease and reads the earlier turns.

        The job ends in four cases: the dispatch names no work, the work belongs to another room,
        another job has the work, or the work is over. Without a database the job runs, but no other
        job will continue the work.
        """
        return Resource(
            name=WORK,
            loss="There is nothing to do: the job fails.",
            load=self._load,
            required=True,
            needs=("database",),
        )

    @asynccontextmanager
    async def kept(self, job: JobHandle) -> AsyncIterator[None]:
        """While the block runs, end the job as soon as another job has the work."""
        assert self._lease is not None  # noqa: S101  # the resource loads only with a lease
        assert self.handover is not None  # noqa: S101  # created with the lease
        self.handover.talk = _Talk(job)
        if job.shipper is not None:
            self._lease.on_forgotten = job.shipper.ship_again
        self._database_of(job)
        async with self._lease.guarded(job, lambda: self._database_of(job)):
            yield

    def _database_of(self, job: JobHandle) -> Database | None:
        """Return the job's database, even if it loaded late, and give it to `handover`."""
        database: Database | None = self._database or job.resources.get("database")
        if database is not None and self.handover is not None:
            self.handover.database, self.handover.shipper = database, job.shipper
        return database

    async def _load(self, held: AgentResources) -> ContinuedWork:
        if self._lease is None:
            raise LoadFailed("MetadataInvalid", self._problem, event=Event.METADATA_INVALID)
        database = held.get("database")
        if database is None:
            self._check_person()
            return self
        try:
            await self._store(database)
        except DatabaseError as error:
            logger.warning(
                "no other job can continue the work of this job, because the work could not be "
                "stored: %s",
                error,
                extra={"event": "continued_work_not_stored"},
            )
            self._check_person()
            return self
        self._database = database
        if await self._lease.take(database):
            self.turns = await self._earlier_turns(database)
        return self

    def _check_person(self) -> None:
        if not self.person:
            problem = "the dispatch's metadata has no candidate_identity"
            raise LoadFailed("MetadataInvalid", problem, event=Event.METADATA_INVALID)

    async def _store(self, database: Database) -> None:
        """Store the work if this job is the first job of the work.

        A later job reads the work from the database.

        The dispatch of a later job lacks the work if work and turns exceed the metadata size limit.
        """
        try:
            found = await get_interview(database, self._work_id, budget_s=_BUDGET_S, writable=True)
        except InterviewClosedToJob as error:
            raise not_own(str(error)) from error
        if found is not None:
            check_own(found, self._dispatch.room)
        if found is not None and found.is_over:
            raise LoadFailed("WorkAlreadyOver", event=Event.INTERVIEW_OVER)
        if found is not None:
            self.data, self.person = found.plan, found.candidate_identity
            return
        self._check_person()
        try:
            await create_interview(
                database,
                interview_id=self._work_id,
                plan=self.data,
                room=self._dispatch.room,
                candidate_identity=self.person,
                scope=self._scope,
                budget_s=_BUDGET_S,
            )
        except (InterviewExists, InterviewClosedToJob) as error:
            raise not_own(str(error)) from error

    async def _earlier_turns(self, database: Database) -> list[Mapping[str, Any]]:
        try:
            turns = await turns_of(database, self._work_id, budget_s=_BUDGET_S, writable=True)
        except DatabaseError:
            return self.turns  # the turns in the dispatch
        return [turn_as_data(turn) for turn in turns if turn.job_id != self._dispatch.job_id]


class _Talk:
    """The conversation of a job, for its handover."""

    almost_done = False

    def __init__(self, job: JobHandle) -> None:
        self._job = job

    async def come_to_a_stop(self, longest_s: float) -> None:
        """Wait up to `longest_s` seconds until the agent has finished its current sentence."""
        session: AgentSession[Any] | None = self._job.session
        speech = session.current_speech if session is not None else None
        if speech is not None:
            with contextlib.suppress(TimeoutError):
                await run_with_timeout(speech.wait_for_playout(), longest_s)
