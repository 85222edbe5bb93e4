"""The interviewer as a livekit agent: it listens, keeps every turn, and speaks the next move."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Protocol

from livekit import rtc
from livekit.agents import Agent, ModelSettings, SpeechCreatedEvent, StopResponse, llm, stt

from worker.floor import Floor
from worker.interview.answers import Answers
from worker.interview.half_answer import HearingKeeper, unwritten
from worker.interview.heard import PlayoutTeller
from worker.interview.orchestrator import Role
from worker.interview.orchestrator_llm import OrchestratorLLM, Utterance
from worker.interview.patience import Patience
from worker.interview.turn_book import TurnBook, TurnKeeper
from worker.interview.utterances import Utterances

logger = logging.getLogger(__name__)

#: Shows the candidate words that could not be spoken. May raise.
Writer = Callable[[str], Awaitable[None]]


class SentenceOver(Protocol):
    """The line's `sentence_over`."""

    async def __call__(self, *, longest_s: float) -> bool: ...


#: Seconds for the session to let go of what it says.
_CUT_OFF_S = 1.0
#: Characters of a typed answer: more than ten minutes of speech.
_LONGEST_TYPED = 20_000

#: What the speech says that is being made. livekit tells of a speech before it makes the task
#: that asks for its words (AgentActivity._generate_reply), so the task inherits this; and a turn
#: may be committed in between: what is recorded is what was said.
_utterance: ContextVar[Utterance | None] = ContextVar("utterance", default=None)


class Interviewer(Agent):
    """Speaks what the orchestrator decides and commits what was said, in that order."""

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        keep_turn: TurnKeeper,
        write: Writer | None = None,
        *,
        keep_hearing: HearingKeeper = unwritten,
        playout: PlayoutTeller = lambda: None,
    ) -> None:
        # Nobody reads them: a model behind the orchestrator has a prompt of its own.
        super().__init__(instructions="Hold the planned interview.")
        self._orchestrator = orchestrator
        book = TurnBook(orchestrator, keep_turn)
        self._write = write
        self._mending: asyncio.Task[None] | None = None
        self._patience = Patience(
            orchestrator, lambda **options: self.session.update_options(**options)
        )
        #: Whose turn it is to speak.
        self.floor = Floor()
        self._utterances = Utterances(
            book, self.floor, playout, kept=self._on_kept, unspoken=self._mend
        )
        #: What the candidate says.
        self.answers = Answers(orchestrator, book, keep_hearing, self._utterances.recorded)
        #: Told that an utterance has ended and was not spoken, or not to its end, though nobody
        #: stopped it; the next move is still owed.
        self.on_unspoken: Callable[[], Coroutine[Any, Any, None]] | None = None
        # It is leaving: what is said is kept, and not answered.
        self._stopping = False
        self._candidate_moved = asyncio.Event()
        #: Returns where what is being said may be cut off, and whether all of it was heard.
        self.sentence_over: SentenceOver | None = None
        #: Set once goodbye was said.
        self.finished = asyncio.Event()
        #: The loop's time at which somebody was last heard, either side.
        self.last_sound = asyncio.get_running_loop().time()

    async def on_enter(self) -> None:
        """Listen to what the session does."""
        self.session.on("speech_created", self._on_speech_created)
        self.session.on("user_state_changed", self._on_candidate)
        self.session.on("agent_state_changed", self._on_sound)
        self.session.on("user_input_transcribed", self._on_candidate)
        self.answers.listen(self.session)
        self.session.on("user_input_transcribed", lambda _: self._patience.text_came())

    async def on_exit(self) -> None:
        """Forget the time of the open question, and what was to be said again."""
        self._patience.stop()
        self.answers.stop()
        if self._mending is not None:
            self._mending.cancel()

    @property
    def sounding(self) -> bool:
        """Whether somebody is speaking now, or about to."""
        return self.floor.ours or self.hears_candidate or self.session.agent_state == "speaking"

    @property
    def hears_candidate(self) -> bool:
        """Whether the candidate is speaking now."""
        return self.session.user_state == "speaking"

    @property
    def answer_is_over(self) -> bool:
        """Whether something was said to the open question, and its turn is about to end."""
        return bool(self.answers.half.text) and not (self.floor.ours or self.hears_candidate)

    @property
    def next_role(self) -> Role:
        """What is said next, or being said now."""
        return self._orchestrator.next_move().role

    async def speak_next(self) -> None:
        """Begin the next move without waiting for the candidate: the greeting, a question again.

        Raises OrchestratorNotReady and RuntimeError (the session is closing).
        """
        if self.next_role is Role.DONE:
            self._finish()
            return
        if not self.floor.ours:
            self.floor.take()
        self.session.generate_reply()

    def speak_plainly(self) -> None:
        """Say the next move in the plan's own words, whatever a language model is thinking."""
        self._orchestrator.speak_plainly()

    async def write_next(self) -> None:
        """Write the next move instead of speaking it, and keep it as a turn that was read.

        Raises what the writing raises, and RuntimeError where nobody can write.
        """
        if self._write is None:
            raise RuntimeError("this interviewer was given nothing to write with")
        if self.next_role is Role.DONE:
            self._finish()
            return
        move = self._orchestrator.next_utterance().move
        turn = self.floor.turn
        await self._write(move.text)
        await self._utterances.written(move, turn)

    async def cut_off(self) -> bool:
        """Cut off what is being said, or should be. False where the session does not answer."""
        try:
            over = self.session.interrupt(force=True)
        except RuntimeError:  # it is closing
            return True
        done, _ = await asyncio.wait({over}, timeout=_CUT_OFF_S)
        await self._utterances.recorded()
        return bool(done)

    @property
    def almost_done(self) -> bool:
        """Whether goodbye is being said, or was."""
        return self.finished.is_set() or (self.floor.ours and self.next_role is Role.CLOSING)

    async def come_to_a_stop(self, longest_s: float) -> None:
        """Answer nothing any more, let whoever speaks come to a pause, and cut off the rest.

        An answer that was just given becomes a turn in that time; one that goes on after
        `longest_s` seconds is left to `answers.keep_half`.
        """
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                while self.hears_candidate or self.answers.half.text:
                    self._candidate_moved.clear()
                    await self._candidate_moved.wait()
        if self.sentence_over is not None and await self.sentence_over(longest_s=longest_s):
            with contextlib.suppress(TimeoutError):  # over in a moment, and nobody cut it off
                if (speech := self.session.current_speech) is not None:
                    await asyncio.wait_for(speech.wait_for_playout(), _CUT_OFF_S)
        await self.cut_off()
        if not (self.hears_candidate or self.answers.half.text):
            # There is no text to come that the session would wait for.
            self.session.options.session_close_transcript_timeout = 0.0

    def _finish(self) -> None:
        self.floor.give()
        self.finished.set()

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """Commit the candidate's turn; nothing is spoken before this returns.

        Raises StopResponse where there is nothing more to say. Anything else that it raised
        would lose the turn and leave the interviewer silent, so nothing else leaves it.
        """
        done = await self._take_answer(self.answers.spoken(new_message))
        self._candidate_moved.set()
        if done:
            self._finish()
        if done or self._stopping:
            raise StopResponse

    async def _take_answer(self, taking: Awaitable[None]) -> bool:
        """Take an answer into the plan. True where there is nothing more to say."""
        self.floor.take()
        try:
            await taking
            self._patience.begin()
            return self._orchestrator.next_move().role is Role.DONE
        except Exception:
            logger.exception("a turn was not taken into the plan")
            return False

    async def on_text(self, text: str) -> None:
        """Take a typed answer as a turn, and answer it: as good as one that was said."""
        if not (text := text.strip()[:_LONGEST_TYPED]):
            return
        self._on_sound(None)
        await self.cut_off()
        if self._patience.deaf or self.answers.missed.cut:
            # What was said to nobody must not come back as the answer to another question.
            await self.let_go_of_answer()
        if await self._take_answer(self.answers.typed(text)):
            self._finish()
        elif not self._stopping:
            self.session.generate_reply()

    def cannot_hear(self) -> None:
        """Nobody listens any more, until there is text again."""
        self._patience.wait_for_text()

    async def let_go_of_answer(self) -> None:
        """Keep what was said so far, and begin anew with what comes."""
        await self.answers.keep_half()
        with contextlib.suppress(RuntimeError):  # it is closing
            self.session.clear_user_turn()

    def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterable[stt.SpeechEvent]:
        """What is understood of the candidate; the first of its sound is noticed."""
        return Agent.default.stt_node(self, self.answers.missed.listening(audio), model_settings)

    # --- the interviewer's own turns -----------------------------------------------------------

    def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterable[llm.ChatChunk]:
        """The words of the speech that is being made."""
        return self._orchestrator.chat(chat_ctx=chat_ctx, utterance=_utterance.get())

    def _on_sound(self, _: Any) -> None:
        self.last_sound = asyncio.get_running_loop().time()

    def _on_candidate(self, event: Any) -> None:
        self._on_sound(event)
        self._candidate_moved.set()
        if self.floor.ours:
            self.floor.contest()

    def _on_speech_created(self, event: SpeechCreatedEvent) -> None:
        # Whatever raises now, the words of the speech before are not said again.
        _utterance.set(None)
        utterance = self._orchestrator.next_utterance()
        _utterance.set(utterance)
        turn, self.floor.contested = self.floor.turn, False
        event.speech_handle.add_done_callback(
            lambda handle: self._utterances.spoken(handle, utterance.move, turn)
        )

    def _mend(self) -> None:
        if self._stopping:
            return
        if self.on_unspoken is not None and self.next_role is not Role.DONE:
            self._mending = asyncio.get_running_loop().create_task(self.on_unspoken(), name="mend")

    def _on_kept(self) -> None:
        """An utterance of ours was kept: listen for its answer."""
        self._on_sound(None)
        self.answers.missed.asked()
        if self.next_role is Role.DONE:
            self._finish()
            return
        self._patience.listen()
