"""`OrchestratorLLM` presents the orchestrator to livekit-agents as a language model.

The constructor is cheap and loads nothing. `init` loads the interview, the plan, and the turns and
dialogue records so far. The table of the dialogue decides the next utterance (`tracker`), and a
language model may only phrase it. Without a model, or if its words are refused, the interviewer
speaks the words of the plan and the prepared lines.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Never

from livekit.agents import llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from worker.interview.decided import Decided
from worker.interview.dialogue.events import Detail
from worker.interview.earlier_turns import take_earlier
from worker.interview.interview_loading import InterviewLoading
from worker.interview.llm.ahead import WordsAhead
from worker.interview.llm.phrasing import WordsRefused
from worker.interview.llm.reply import ModelWords
from worker.interview.orchestrator import allowance
from worker.interview.plan.plan import Plan, Question
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn, LlmAllowance, Move
from worker.interview.utterance_stream import Utterance, UtteranceStream
from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Default maximum seconds from a request to a language model until the first word of its reply. A
#: longer silence would seem like a fault to the candidate.
FIRST_WORD_S = 1.5
#: Default maximum seconds from a request to a language model until its reply is complete.
REPLY_S = 3.0


class OrchestratorNotReady(Exception):
    """Raised when `OrchestratorLLM` is used before `init` has succeeded."""

    def __init__(self) -> None:
        super().__init__("the orchestrator has no plan yet: await init(db) first")


class OrchestratorLLM(llm.LLM[Never]):
    """The source of the interviewer's words in one interview.

    `room` is the room of the job, which must be the interview's room; None to accept any room.
    `candidate_identity` is the candidate's identity in the dispatch, which is used until the
    identity in the database is known. `snapshot` is the plan in the dispatch, and `turns` are the
    turns before the dispatch. With `snapshot` and `turns`, the worker can hold or continue the
    interview while the database is unavailable. A dispatch has no dialogue records, so that each
    turn of the candidate among `turns` counts as an answer. `token` returns the fencing token of
    the job's lease, for the dialogue records; None while there is no lease. `resumes_after` is the
    reason why this job follows another job, if it does. `on_refused` is called
    with a reason each time that a language model's words are not spoken. The reason is one
    CamelCase word, which names a refusal (such as those of `worker.interview.llm.guardrails`) or a
    failure of the model.
    """

    def __init__(
        self,
        interview_id: str,
        *,
        room: str | None = None,
        candidate_identity: str | None = None,
        snapshot: Mapping[str, Any] | None = None,
        turns: Sequence[CommittedTurn] = (),
        token: Callable[[], int | None] = lambda: None,
        resumes_after: Detail = Detail.CRASH,
    ) -> None:
        super().__init__()
        self.interview_id = interview_id
        self.candidate_identity = candidate_identity or f"candidate-{interview_id}"
        self.on_refused: Callable[[str], None] | None = None
        self._loading = InterviewLoading(interview_id, room=room, snapshot=snapshot, turns=turns)
        self._token = token
        self._resumes_after = resumes_after
        self._plan: Plan | None = None
        self._turns: list[CommittedTurn] = []
        self._tracker: DialogueTracker | None = None
        self._words: ModelWords | None = None
        self._utterance: Utterance | None = None
        self._ahead = WordsAhead()

    @property
    def model(self) -> str:
        """Name of the language model in traces and usage metrics; `plan` if no model is used."""
        return self._words.model.model if self._words else "plan"

    @property
    def provider(self) -> str:
        """Provider of the language model, as in INTERVIEW_LLM; `scripted` if no model is used."""
        return self._words.model.provider if self._words else "scripted"

    def use_model(
        self,
        model: llm.LLM[Any] | None,
        *,
        first_word_s: float = FIRST_WORD_S,
        reply_s: float = REPLY_S,
    ) -> None:
        """Use `model` from the next utterance on; with None, use the plan's own words.

        A reply that has not started after `first_word_s` seconds, or is not complete after
        `reply_s`, is abandoned. The caller has to close the model.
        """
        self.stop_thinking()
        self._words = (
            ModelWords(model, first_word_s=first_word_s, reply_s=reply_s) if model else None
        )

    async def init(self, db: Database | None) -> None:
        """Load the interview. The method may be called again after a failure.

        Raises LoadFailed if there is no valid plan, or no interview to hold. LoadFailed is
        permanent for the events INTERVIEW_UNKNOWN, INTERVIEW_OVER and METADATA_INVALID (see
        `check_own`), and for an invalid plan. If the dispatch contained no plan, LoadFailed is
        transient while the database is unavailable, and permanent if the database refuses the
        query.
        """
        loaded = await self._loading.load(db)
        if loaded.candidate_identity is not None:
            self.candidate_identity = loaded.candidate_identity
        tracker = loaded.tracker
        tracker.token, tracker.resumes_after = self._token, self._resumes_after
        self._plan, self._turns, self._tracker = loaded.plan, list(loaded.turns), tracker
        self._utterance = None

    @property
    def plan(self) -> Plan:
        """The interview's plan. Raises OrchestratorNotReady if `init` has not succeeded."""
        if self._plan is None:
            raise OrchestratorNotReady
        return self._plan

    @property
    def turns(self) -> tuple[CommittedTurn, ...]:
        """The committed turns, in order."""
        return tuple(self._turns)

    @property
    def tracker(self) -> DialogueTracker:
        """The state of the dialogue. Raises OrchestratorNotReady if `init` has not succeeded."""
        if self._tracker is None:
            raise OrchestratorNotReady
        return self._tracker

    @property
    def has_due(self) -> bool:
        """True if an utterance is due: one that was decided, or the greeting.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        return self.tracker.has_due or not self.tracker.has_begun

    def commit(self, turn: CommittedTurn, decided: Sequence[Decided] | None = None) -> None:
        """Add a turn, which the journal has already, and the decisions that belong to it.

        Only added turns and events change what is said next. Without `decided`, or if another
        decision has come in between, the turn is decided now.
        """
        tracker = self.tracker
        self._turns.append(turn)
        self._utterance = None
        if decided and decided[0].record.seq == tracker.next_number:
            tracker.apply(decided, turn)
        elif turn.speaker == "candidate":
            tracker.apply(tracker.answered(turn), turn)
        elif decided:
            tracker.apply(tracker.again(decided), turn)
        elif decided is None:
            take_earlier(tracker, turn)
        if turn.speaker == "candidate":
            self._ahead.begin_answer()

    def happened(self, decided: Decided) -> None:
        """Apply the decision for an event, whose record the journal has already."""
        self.tracker.apply([decided])
        self._utterance = None

    def next_move(self) -> Move:
        """Return the interviewer's next utterance, without the words of a language model.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        return self.tracker.next_move()

    def open_question(self) -> Question:
        """Return the current question.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        return self.tracker.open_question

    def seconds_left(self) -> float:
        """Return the seconds left for the current question.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        return self.tracker.seconds_left

    def next_utterance(self) -> Utterance:
        """Return the next utterance.

        Every call returns the same object until `commit` or `speak_plainly` is called.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        if self._utterance is None:
            self._utterance = Utterance(self.words_for, allowance(self.tracker))
        return self._utterance

    def speak_plainly(self) -> None:
        """Use the plan's own words for the next utterance only. Later utterances use the model.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        scope = allowance(self.tracker)
        self._utterance = Utterance(self.words_for, replace(scope, acknowledge=False))

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        utterance: Utterance | None = None,
        **_: Any,
    ) -> llm.LLMStream:
        """Return `utterance`, or else the next utterance, as a stream of words.

        The position in the plan does not change.

        Raises OrchestratorNotReady if `init` has not succeeded.
        """
        return UtteranceStream(
            self,
            utterance or self.next_utterance(),
            chat_ctx=chat_ctx,
            tools=tools or [],
            conn_options=conn_options,
        )

    def think_ahead(self, answer: str) -> None:
        """Ask the language model for its words after `answer`, which is not a turn yet.

        The dialogue does not change. The words are used only if the turn leads to the same request.
        """
        if self._words is None or self._tracker is None or not answer.strip():
            return
        after = self._tracker.copy()
        said = CommittedTurn(
            speaker="candidate",
            text=answer,
            at=datetime.now(UTC),
            question_id=after.open_question.id,
        )
        after.apply(after.answered(said), said)
        scope = allowance(after)
        if scope.acknowledge:
            self._ahead.request(scope, partial(self._words.find, self.plan))
        else:
            self.stop_thinking()

    def stop_thinking(self) -> None:
        """Cancel the request of `think_ahead`, if there is one."""
        self._ahead.cancel()

    async def words_for(self, scope: LlmAllowance) -> Move:
        """Return the next utterance in the model's words if possible, else in the plan's words."""
        ahead = self._ahead.take(scope)
        if self._words is None or not scope.acknowledge:
            return scope.move
        try:
            found = await (ahead or self._words.find(self.plan, scope))
            if isinstance(found, WordsRefused):
                raise found
            return replace(found, decision=scope.move.decision)
        except WordsRefused as refused:
            logger.info(
                "the language model's words were not used, the interviewer speaks the plan's words",
                extra={"event": "llm_words_refused", "reason": refused.reason},
            )
            self._tell_refused(refused.reason)
        return scope.move

    def _tell_refused(self, reason: str) -> None:
        try:
            if self.on_refused is not None:
                self.on_refused(reason)
        except Exception:  # any error, because a failed callback must not suppress the speech
            logger.exception(
                "the on_refused callback failed", extra={"event": "refusal_callback_failed"}
            )
