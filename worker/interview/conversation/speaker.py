"""`Speaker`: begins, writes and cuts off the interviewer's utterances in a session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from livekit.agents import SpeechCreatedEvent, llm

from worker.interview.conversation.also_written import AlsoWritten
from worker.interview.conversation.answers import Answers
from worker.interview.conversation.live_floor import FloorEffects, LiveFloor
from worker.interview.conversation.stop import CUT_OFF_S
from worker.interview.conversation.turn_log import TurnLog
from worker.interview.conversation.turn_taking import TurnTaking
from worker.interview.conversation.typed_messages import Writer
from worker.interview.conversation.utterances import Utterances
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.turn import Role
from worker.interview.utterance_stream import Utterance

if TYPE_CHECKING:
    from livekit.agents import AgentSession

#: The utterance of the speech that is being generated. livekit emits `speech_created` before
#: livekit creates the task for `llm_node` (AgentActivity._generate_reply), so the task inherits
#: this value. Even if a turn is committed before the task runs, the record of the speech contains
#: the utterance that was spoken.
_utterance: ContextVar[Utterance | None] = ContextVar("utterance", default=None)


class Speaker:
    """Speaks the orchestrator's utterances, each of which is recorded once it is over.

    Args:
        orchestrator: Provides the utterances.
        turns: Gives the turn to speak.
        answers: The answer that the candidate is giving.
        book: Records the events of the dialogue.
        utterances: Records the part of each utterance that was heard.
        write: Sends a text to the candidate; None if no text can be sent.
        session: Returns the session.
    """

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        turns: TurnTaking,
        answers: Answers,
        book: TurnLog,
        utterances: Utterances,
        write: Writer | None,
        session: Callable[[], AgentSession[Any]],
    ) -> None:
        self._orchestrator = orchestrator
        self._turns = turns
        self._answers = answers
        self._utterances = utterances
        self._write = write
        self._also_written = AlsoWritten(write)
        self._session = session
        floor = turns.floor
        effects = FloorEffects(
            note=book.note,
            give_turn=floor.give,
            speak=self.speak_due,
            forget_interim=answers.half.forget_interim,
            awaits_turn=lambda: answers.half.has_final_words,
        )
        #: Decides, while a line is played, what the candidate's sounds and words do to it.
        self.live_floor = LiveFloor(session, orchestrator, effects)

    @property
    def next_role(self) -> Role:
        """Role of the utterance that is being spoken, or else of the next utterance."""
        return self._orchestrator.next_move().role

    async def speak_next(self) -> None:
        """Start to speak the next utterance, or end the interview if nothing is left to say."""
        if self.next_role is Role.DONE:
            self._turns.finish()
            return
        if not self._turns.floor.ours:
            self._turns.floor.take()
        self._session().generate_reply()

    async def speak_due(self) -> None:
        """Speak an utterance that an event of the dialogue has made due, unless it is too late."""
        turns = self._turns
        async with turns.exclusive.held():
            busy = turns.floor.ours or bool(self._answers.half.text) or turns.stop.begun
            if self._orchestrator.has_due and not busy:
                with contextlib.suppress(RuntimeError):  # the session is closing
                    await self.speak_next()

    async def write_next(self) -> None:
        """Send the next utterance as text instead of as speech, and record it as a turn.

        Raises RuntimeError if there is no writer, and any exception that the writer raises.
        """
        if self._write is None:
            raise RuntimeError("the interviewer has no writer to send text with")
        if self.next_role is Role.DONE:
            self._turns.finish()
            return
        utterance = self._orchestrator.next_utterance()
        move, turn = utterance.move, self._turns.floor.turn
        if not self._also_written.has(utterance):
            await self._write(move.text)
        await self._utterances.written(move, turn)

    async def cut_off(self) -> bool:
        """Interrupt the current or pending speech. Return False if the session does not respond."""
        try:
            over = self._session().interrupt(force=True)
        except RuntimeError:  # the session is closing
            return True
        done, _ = await asyncio.wait({over}, timeout=CUT_OFF_S)
        await self._utterances.recorded()
        return bool(done)

    def stop(self) -> None:
        """Cancel the texts that are being sent."""
        self._also_written.stop()

    def speech_created(self, event: SpeechCreatedEvent) -> None:
        """Give the next utterance to a speech that the session has created."""
        # Reset the value first, so that the previous utterance is not repeated if `next_utterance`
        # raises.
        _utterance.set(None)
        utterance = self._orchestrator.next_utterance()
        _utterance.set(utterance)
        self._also_written.begin(utterance)
        self.live_floor.will_say(event.speech_handle, utterance)
        floor = self._turns.floor
        turn, floor.contested = floor.turn, False
        event.speech_handle.add_done_callback(
            lambda handle: self._utterances.spoken(handle, utterance.move, turn)
        )

    def words(self, chat_ctx: llm.ChatContext) -> AsyncIterable[llm.ChatChunk]:
        """Return the words of the speech that is being generated."""
        return self._orchestrator.chat(chat_ctx=chat_ctx, utterance=_utterance.get())

    def utterance_over(self, *, whole: bool) -> None:
        """Prepare for the candidate's answer to a recorded utterance, or speak what follows it.

        `whole` is true if the utterance was spoken to its end.
        """
        if self.next_role is Role.DONE:
            self._turns.finish()
            return
        self._turns.patience.listen()
        self.live_floor.utterance_over()
        dialogue = self._orchestrator.tracker
        if whole and dialogue.has_due and not (dialogue.is_absent or self._turns.stop.begun):
            self._turns.floor.take()
            with contextlib.suppress(RuntimeError):  # the session is closing
                self._session().generate_reply()
