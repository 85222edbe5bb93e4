"""The candidate's answers as they are kept: whole, or the half that was heard of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from worker.interview.half_answer import HalfAnswer, HearingKeeper
from worker.interview.latency import NO_LATENCY, latency_of
from worker.interview.missed_beginning import MissedBeginning

if TYPE_CHECKING:
    from livekit.agents import AgentSession, llm

    from worker.interview.orchestrator_llm import OrchestratorLLM
    from worker.interview.turn_book import TurnBook


class Answers:
    """Keeps what the candidate says, and takes it into the plan.

    Args:
        orchestrator: Whose plan it is.
        book: Where it is kept.
        keep_hearing: Writes down what is understood before it is a turn.
        recorded: Returns once the utterances before it are kept.
    """

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        book: TurnBook,
        keep_hearing: HearingKeeper,
        recorded: Callable[[], Awaitable[None]],
    ) -> None:
        self._orchestrator = orchestrator
        self._book = book
        self._recorded = recorded
        #: What was said since the last turn.
        self.half = HalfAnswer(keep_hearing, lambda: orchestrator.open_question().id)
        #: Whether it was heard from its beginning.
        self.missed = MissedBeginning(lambda: self.half.text)
        #: It was not heard to its end: it answers nothing by itself.
        self.is_cut = False

    def listen(self, session: AgentSession[Any]) -> None:
        """Follow what the session hears."""
        session.on("user_input_transcribed", self.half.hear)
        session.on(
            "user_state_changed",
            lambda event: self.missed.candidate_moved(speaks=event.new_state == "speaking"),
        )

    def stop(self) -> None:
        """Write nothing later, and wait for nothing."""
        self.half.stop()
        self.missed.stop()

    async def spoken(self, message: llm.ChatMessage) -> None:
        """Take a turn that was said. Raises OrchestratorNotReady."""
        pieces, hearing = self.half.pieces, self.half.seq
        text, latency = (message.text_content or "").strip(), latency_of(message)
        cut = self.is_cut or self.missed.cut
        await self._recorded()
        # Dropped only once they are kept: the session may end before that.
        try:
            await self._take(text, latency, interrupted=cut, hearing=hearing)
        except Exception:
            self._taken(pieces)
            raise
        self._taken(pieces)

    async def typed(self, text: str) -> None:
        """Take a turn that was typed: it is whole. Raises OrchestratorNotReady."""
        await self._recorded()
        await self._take(text)

    async def keep_half(self) -> None:
        """Write down what was being said when it was cut off. Answers nothing by itself."""
        if text := self.half.text:
            self.half.drop()
            await self._take(text, interrupted=True, hearing=self.half.seq)
            self.missed.taken()

    async def _take(
        self,
        text: str,
        latency: Mapping[str, float] = NO_LATENCY,
        *,
        interrupted: bool = False,
        hearing: int | None = None,
    ) -> None:
        said = await self._book.answer(text, latency, interrupted=interrupted, hearing=hearing)
        self._orchestrator.commit(said)

    def _taken(self, pieces: int) -> None:
        self.half.taken(pieces)
        self.missed.taken()
