"""Recording of the candidate's answers, complete and partial."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.interview.conversation.missed_onset import MissedOnset
from worker.interview.conversation.partial_answer import HearingKeeper, PartialAnswer
from worker.interview.conversation.turn_log import NO_LATENCY, TurnLog, latency_of

if TYPE_CHECKING:
    from livekit.agents import AgentSession, llm

    from worker.interview.orchestrator_llm import OrchestratorLLM


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The spoken answer at the moment at which the candidate's turn ended."""

    #: Number of final transcripts in the answer.
    pieces: int
    #: Sequence number of the last journal record with a transcript of the answer; None if no such
    #: record was written.
    seq: int | None
    #: True if the answer is incomplete, because an outage cut it off or its onset was missed.
    cut: bool
    #: Value of `PartialAnswer.drops` at that moment, which shows whether the partial answer is
    #: dropped later.
    drops: int


class Answers:
    """Recorder that writes each answer to the journal, then commits the answer to the dialogue.

    Args:
        orchestrator: The orchestrator that holds the plan.
        book: The recorder of turns.
        keep_hearing: Writes a transcript to the journal before the transcript becomes a turn.
        recorded: Waits until the interviewer's earlier utterances are recorded.
    """

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        book: TurnLog,
        keep_hearing: HearingKeeper,
        recorded: Callable[[], Awaitable[None]],
    ) -> None:
        self._book = book
        self._recorded = recorded
        #: The partial answer: the transcript since the last committed turn.
        self.half = PartialAnswer(keep_hearing, lambda: orchestrator.open_question().id)
        #: Detects whether the first words of the current answer may be missing.
        self.missed = MissedOnset(lambda: self.half.text)
        #: True if an outage cut the answer off. A cut-off answer is committed as an interrupted
        #: turn, which does not count as the answer to the question.
        self.is_cut = False
        # `_held`: texts of the turns whose end is held back. The second attribute is the number of
        # final transcripts when the last of these ends was held back. The transcripts stay in
        # `half`.
        self._held: list[str] = []
        self._held_pieces = 0

    def listen(self, session: AgentSession[Any]) -> None:
        """Subscribe to the session's transcripts and to the candidate's speaking state."""
        session.on("user_input_transcribed", self.half.hear)
        session.on(
            "user_state_changed",
            lambda event: self.missed.candidate_moved(speaks=event.new_state == "speaking"),
        )

    def stop(self) -> None:
        """Cancel the pending partial-answer write and the timer of the missed-onset detection."""
        self.half.stop()
        self.missed.stop()

    def heard(self) -> Heard:
        """Return the current spoken answer.

        Transcripts that arrive later belong to the next answer.
        """
        cut = self.is_cut or self.missed.cut
        half = self.half
        return Heard(pieces=half.pieces, seq=half.seq, cut=cut, drops=half.drops)

    def was_kept(self, heard: Heard) -> bool:
        """Return whether `keep_half` has committed the answer since `heard` was returned."""
        return heard.drops != self.half.drops

    @property
    def is_held(self) -> bool:
        """True if the text of an ended turn is held back, because more of the answer may follow."""
        return bool(self._held)

    @property
    def goes_on(self) -> bool:
        """True if a final transcript has arrived since the text of a turn was held back."""
        return self.half.pieces > self._held_pieces

    def hold_back(self, message: llm.ChatMessage) -> None:
        """Keep the text of a spoken turn, as the first part of the next spoken turn."""
        self._held.append(_text_of(message))
        self._held_pieces = self.half.pieces

    async def spoken(self, message: llm.ChatMessage, heard: Heard) -> None:
        """Commit a turn that the candidate has spoken; `heard` is its transcript.

        If text was held back before, it becomes the first part of the turn. Raises
        OrchestratorNotReady if the plan has not loaded.
        """
        await self._commit_spoken(_text_of(message), latency_of(message), heard)

    async def held_back(self) -> None:
        """Commit the held-back text as a turn.

        Raises OrchestratorNotReady if the plan has not loaded.
        """
        await self._commit_spoken("", NO_LATENCY, self.heard())

    async def _commit_spoken(self, text: str, latency: Mapping[str, float], heard: Heard) -> None:
        held, self._held = self._held, []
        text = " ".join(part for part in (*held, text) if part)
        await self._recorded()
        # Drop the transcripts only after the commit. If the session ends during the commit,
        # `keep_half` records the transcripts.
        try:
            await self._take(text, latency, interrupted=heard.cut, hearing=heard.seq)
        except Exception:
            self._taken(heard)
            raise
        self._taken(heard)

    async def typed(self, text: str) -> None:
        """Commit a turn that the candidate has typed.

        A typed turn is never cut off, and is classified as a spoken turn is.

        Raises OrchestratorNotReady if the plan has not loaded.
        """
        await self._recorded()
        await self._take(text, typed=True)

    async def keep_half(self) -> None:
        """Commit the partial answer as an interrupted turn, after which the question is open."""
        held, self._held = self._held, []
        if text := self.half.text or " ".join(held):
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
        typed: bool = False,
    ) -> None:
        await self._book.answer(
            text, latency, interrupted=interrupted, hearing=hearing, typed=typed
        )

    def _taken(self, heard: Heard) -> None:
        if not self.was_kept(heard):
            self.half.taken(heard.pieces)
        self.missed.taken()


def _text_of(message: llm.ChatMessage) -> str:
    return (message.text_content or "").strip()
