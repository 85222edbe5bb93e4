"""`OrchestratorLLM`: the orchestrator as livekit-agents wants to see it, a language model.

Two phases: making one is cheap and does nothing; `init` loads the interview, its plan and the
turns so far. With no language model behind it the plan's own words are what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

from livekit.agents import llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.utils import shortuuid

from states import Event
from worker.interview.orchestrator import Move, Role, Said, next_move, open_question
from worker.interview.plan import Plan, PlanError, Question
from worker.resources.base import LoadFailed
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.interviews import get_interview, turns_of
from worker.store.pool import Database


class OrchestratorNotReady(Exception):
    """`OrchestratorLLM` was used before `init` had succeeded."""

    def __init__(self) -> None:
        super().__init__("the orchestrator has no plan yet: await init(db) first")


class OrchestratorLLM(llm.LLM[Never]):
    """The interviewer's words for one interview.

    `snapshot` is the plan that came with the dispatch: enough to hold the interview while the
    database is away.
    """

    def __init__(self, interview_id: str, *, snapshot: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.interview_id = interview_id
        self.candidate_identity = f"candidate-{interview_id}"
        self._snapshot = snapshot
        self._plan: Plan | None = None
        self._turns: list[Said] = []

    @property
    def model(self) -> str:
        """The name in traces and usage figures."""
        return "plan"

    @property
    def provider(self) -> str:
        """The member of INTERVIEW_LLM that finds the words."""
        return "scripted"

    async def init(self, db: Database | None) -> None:
        """Load the interview; may be called again after a failure.

        Raises LoadFailed: INTERVIEW_UNKNOWN and INTERVIEW_OVER for good, and a transient
        failure where neither the database nor the dispatch has the plan.
        """
        if db is None:
            self._load_snapshot("there is no database")
            return
        try:
            interview = await get_interview(db, self.interview_id)
            turns = await turns_of(db, self.interview_id)
        except DatabaseUnavailable:
            self._load_snapshot("the database is away")
            return
        except DatabaseOperationFailed as error:
            raise LoadFailed("DatabaseRefused", str(error)) from error
        if interview is None:
            message = "the database has no interview of this id"
            raise LoadFailed("InterviewUnknown", message, event=Event.INTERVIEW_UNKNOWN)
        if interview.is_over:
            message = "the interview has ended before"
            raise LoadFailed("InterviewAlreadyOver", message, event=Event.INTERVIEW_OVER)
        self._plan = _checked(interview.plan)
        self.candidate_identity = interview.candidate_identity
        self._turns = [
            Said(
                speaker=turn.speaker,
                text=turn.text,
                at=turn.at,
                question_id=turn.question_id,
                role=Role(turn.role) if turn.role else None,
                generated=turn.generated or "",
                interrupted=turn.interrupted,
            )
            for turn in turns
        ]

    def _load_snapshot(self, why: str) -> None:
        if self._snapshot is None:
            message = f"{why}, and the dispatch brought no plan"
            raise LoadFailed("PlanUnavailable", message, transient=True)
        self._plan = _checked(self._snapshot)

    @property
    def plan(self) -> Plan:
        """The plan. Raises OrchestratorNotReady before `init`."""
        if self._plan is None:
            raise OrchestratorNotReady
        return self._plan

    @property
    def turns(self) -> tuple[Said, ...]:
        """The committed turns, first to last."""
        return tuple(self._turns)

    def commit(self, turn: Said) -> None:
        """Take note of a turn that is in the journal. The only thing that moves the plan on."""
        self._turns.append(turn)

    def next_move(self) -> Move:
        """What to say next. Raises OrchestratorNotReady before `init`."""
        return next_move(self.plan, self._turns)

    def open_question(self) -> Question:
        """The question being talked about. Raises OrchestratorNotReady before `init`."""
        return open_question(self.plan, self._turns)

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        """The next utterance, as a stream. Changes nothing; raises OrchestratorNotReady."""
        return _PlannedWords(
            self,
            self.next_move().text,
            chat_ctx=chat_ctx,
            tools=tools or [],
            conn_options=conn_options,
        )


class _PlannedWords(llm.LLMStream):
    def __init__(self, owner: OrchestratorLLM, text: str, **stream: Any) -> None:
        super().__init__(owner, **stream)
        self._text = text

    async def _run(self) -> None:
        if self._text:
            delta = llm.ChoiceDelta(role="assistant", content=self._text)
            self._event_ch.send_nowait(llm.ChatChunk(id=shortuuid("plan_"), delta=delta))


def _checked(plan: Mapping[str, Any]) -> Plan:
    try:
        return Plan.from_json(plan)
    except PlanError as error:
        raise LoadFailed("PlanInvalid", "the stored plan is not a valid plan") from error
