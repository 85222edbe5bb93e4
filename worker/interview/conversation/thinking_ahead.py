"""Tells the orchestrator the answer so far, while a silence decides whether the answer is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from worker.interview.conversation.answers import Answers
from worker.interview.orchestrator_llm import OrchestratorLLM

if TYPE_CHECKING:
    from livekit.agents import AgentSession


class ThinkingAhead:
    """Requests the model's words for the answer so far, each time that the candidate is silent.

    Args:
        orchestrator: Requests the words.
        answers: The answer so far.
        is_silent: Returns whether the candidate has answered and neither side speaks.
    """

    def __init__(
        self, orchestrator: OrchestratorLLM, answers: Answers, is_silent: Callable[[], bool]
    ) -> None:
        self._orchestrator = orchestrator
        self._answers = answers
        self._is_silent = is_silent

    def listen(self, session: AgentSession[Any]) -> None:
        """Subscribe to the session's transcripts and to the candidate's speaking state.

        Call this after `Answers.listen`, so that the answer includes each transcript already.
        """
        session.on("user_input_transcribed", self._on_candidate)
        session.on("user_state_changed", self._on_candidate)

    def _on_candidate(self, _: Any) -> None:
        answers = self._answers
        if not self._is_silent() or not answers.half.is_final or answers.heard().cut:
            self._orchestrator.stop_thinking()
        else:
            self._orchestrator.think_ahead(answers.half.text)
