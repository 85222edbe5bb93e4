"""The parts of an interview that are created from its dispatch, before a resource is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from worker.continuity.dispatch_metadata import (
    read_candidate,
    read_follows,
    read_spent_s,
    read_turns,
)
from worker.continuity.handover import InterviewHandover
from worker.continuity.job_lease import JobLease
from worker.continuity.scope import scope_of
from worker.interview.dialogue.events import Detail
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.time_limit import InterviewTime
from worker.interview.turn_codec import from_json
from worker.job.application import declared_in
from worker.store.orphans import CANDIDATE_CAME, HANDED_OVER

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.job.application import Dispatch
    from worker.store.database import Database

#: Why a job continues the interview, by the reason for the redispatch. Any other reason is a crash.
_RESUMES_AFTER: Final[Mapping[str, Detail]] = {
    HANDED_OVER: Detail.HANDOVER,
    CANDIDATE_CAME: Detail.ABSENCE,
}


@dataclass(frozen=True, kw_only=True)
class DispatchedInterview:
    """The interview that a dispatch names."""

    orchestrator: OrchestratorLLM
    lease: JobLease
    #: The handover protocol.
    succession: InterviewHandover
    time_limit: InterviewTime
    #: The previous job's id and the reason for the redispatch; empty without a previous job.
    follows: Mapping[str, str]
    #: True if the dispatch contains the plan.
    has_snapshot: bool

    @classmethod
    def of(
        cls,
        dispatch: Dispatch,
        settings: Settings,
        interview_id: str,
        snapshot: Mapping[str, Any] | None,
    ) -> DispatchedInterview:
        """Create the parts of an interview. `snapshot` is the plan in the dispatch, or None."""
        follows = read_follows(dispatch.metadata)
        lease = JobLease(
            interview_id,
            job_id=dispatch.job_id,
            room=dispatch.room,
            identity=declared_in(settings).identity(dispatch.job_id),
            lease_s=settings.lease_s,
            scope=scope_of(settings),
        )
        return cls(
            orchestrator=OrchestratorLLM(
                interview_id,
                room=dispatch.room,
                candidate_identity=read_candidate(dispatch.metadata, interview_id),
                snapshot=snapshot,
                turns=from_json(read_turns(dispatch.metadata)),
                token=lambda: lease.token,
                resumes_after=_RESUMES_AFTER.get(follows.get("follows_why", ""), Detail.CRASH),
            ),
            lease=lease,
            succession=InterviewHandover(
                settings,
                interview_id=interview_id,
                job_id=dispatch.job_id,
                lease=lease,
                access=dispatch.access,
            ),
            time_limit=InterviewTime(
                interview_id, job_id=dispatch.job_id, told_s=read_spent_s(dispatch.metadata)
            ),
            follows=follows,
            has_snapshot=snapshot is not None,
        )

    @property
    def is_successor(self) -> bool:
        """True if this job was dispatched to follow another job."""
        return "follows_job" in self.follows

    @property
    def resumes(self) -> bool:
        """True if the interview has turns already."""
        return bool(self.orchestrator.turns)

    async def read_time(self, database: Database | None) -> None:
        """Read how much time earlier jobs used, if turns or the dispatch show earlier jobs."""
        if database is not None and (self.resumes or self.is_successor):
            await self.time_limit.read(database)
