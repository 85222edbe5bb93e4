"""Loading of an interview: from the database, or from the dispatch without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from states import Event
from worker.continuity.own_interview import check_own, not_own
from worker.interview.earlier_turns import tracked
from worker.interview.plan.plan import Plan, PlanError
from worker.interview.restored import restored
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn
from worker.interview.turn_codec import from_store
from worker.resources.resource import LoadFailed
from worker.store.database import Database
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.interview_dialogue import turns_and_dialogue_of
from worker.store.interviews import InterviewClosedToJob, get_interview


@dataclass(frozen=True, kw_only=True)
class LoadedInterview:
    """The plan of an interview, and what was said so far."""

    plan: Plan
    turns: Sequence[CommittedTurn]
    #: The state of the dialogue after `turns`.
    tracker: DialogueTracker
    #: The candidate's identity in the database; None if the database was not read.
    candidate_identity: str | None = None


class InterviewLoading:
    """Reads one interview from the database, or takes the interview in the dispatch.

    Args:
        interview_id: The id of the interview.
        room: The room of the job, which must be the interview's room; None to accept any room.
        snapshot: The plan in the dispatch; None if the dispatch has no plan.
        turns: The turns before the dispatch.
    """

    def __init__(
        self,
        interview_id: str,
        *,
        room: str | None,
        snapshot: Mapping[str, Any] | None,
        turns: Sequence[CommittedTurn],
    ) -> None:
        self._interview_id = interview_id
        self._room = room
        self._snapshot = snapshot
        self._turns = tuple(turns)

    async def load(self, db: Database | None) -> LoadedInterview:
        """Return the interview. Raises LoadFailed as `OrchestratorLLM.init` describes it."""
        if db is None:
            return self._dispatched("no database is available")
        try:
            interview = await get_interview(db, self._interview_id, writable=True)
            turns, told = await turns_and_dialogue_of(db, self._interview_id)
        except InterviewClosedToJob as error:
            raise not_own(str(error)) from error
        except DatabaseUnavailable:
            return self._dispatched("the database is unavailable")
        except DatabaseOperationFailed as error:
            if self._snapshot is None:
                raise LoadFailed("DatabaseRefused", str(error)) from error
            return self._dispatched("the database refused the query")
        if interview is None:
            message = "the database has no interview with this id"
            raise LoadFailed("InterviewUnknown", message, event=Event.INTERVIEW_UNKNOWN)
        check_own(interview, self._room)
        if interview.is_over:
            message = "the interview has already ended"
            raise LoadFailed("InterviewAlreadyOver", message, event=Event.INTERVIEW_OVER)
        plan = _checked(interview.plan)
        return LoadedInterview(
            plan=plan,
            turns=[from_store(turn) for turn in turns],
            tracker=restored(plan, turns, told),
            candidate_identity=interview.candidate_identity,
        )

    def _dispatched(self, why: str) -> LoadedInterview:
        if self._snapshot is None:
            message = f"{why}, and the dispatch contained no plan"
            raise LoadFailed("PlanUnavailable", message, transient=True)
        plan = _checked(self._snapshot)
        return LoadedInterview(plan=plan, turns=self._turns, tracker=tracked(plan, self._turns))


def _checked(plan: Mapping[str, Any]) -> Plan:
    try:
        return Plan.from_json(plan)
    except PlanError as error:
        raise LoadFailed("PlanInvalid", "the interview's plan is invalid") from error
