"""The interviewer: a LiveKit Agent that records every turn and speaks the next utterance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any

from livekit import rtc
from livekit.agents import Agent, ModelSettings, StopResponse, llm, stt

from worker.interview.conversation.answers import Answers
from worker.interview.conversation.heard_text import PlayoutTeller
from worker.interview.conversation.late_text import Transcriber
from worker.interview.conversation.own_replies import OwnReplies
from worker.interview.conversation.partial_answer import HearingKeeper, unwritten
from worker.interview.conversation.speaker import Speaker
from worker.interview.conversation.stop import SentenceOver
from worker.interview.conversation.thinking_ahead import ThinkingAhead
from worker.interview.conversation.turn_log import DialogueKeeper, TurnKeeper, TurnLog
from worker.interview.conversation.turn_taking import Follows, TurnTaking
from worker.interview.conversation.typed_messages import TypedMessages, Writer
from worker.interview.conversation.utterances import Utterances
from worker.interview.dialogue.events import Detail
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.phases import Outcome
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import Role


class Interviewer(Agent):
    """Agent that speaks the orchestrator's utterances, then commits the part that was heard."""

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        keep_turn: TurnKeeper,
        write: Writer | None = None,
        *,
        keep_hearing: HearingKeeper = unwritten,
        keep_dialogue: DialogueKeeper = lambda _: None,
        refused: Callable[[int], None] = lambda _: None,
        playout: PlayoutTeller = lambda: None,
        transcriber: Callable[[], Transcriber | None] = lambda: None,
    ) -> None:
        # The instructions are unused, because the orchestrator's language model has its own prompt.
        super().__init__(instructions="Hold the planned interview.")
        self._orchestrator = orchestrator
        self._book = book = TurnLog(orchestrator, keep_turn, keep_dialogue)
        self._typed = typed = TypedMessages(write, refused)
        self._mending: set[asyncio.Task[None]] = set()
        self._turns = turns = TurnTaking(
            orchestrator,
            lambda: self.session,
            lambda: self.hears_candidate or bool(self.answers.half.text),
        )
        #: The parts of `TurnTaking` that the recovery and the end of an interview use.
        self.exclusive, self.floor, self.finished = turns.exclusive, turns.floor, turns.finished
        self._utterances = spoken = Utterances(
            book, turns.floor, playout, kept=self._on_kept, unspoken=self._mend
        )
        #: Recorder of the candidate's answers.
        self.answers = answers = Answers(orchestrator, book, keep_hearing, spoken.recorded)
        self._speaker = speaker = Speaker(
            orchestrator, turns, answers, book, spoken, write, lambda: self.session
        )
        #: Decides, while a line is played, what the candidate's sounds and words do to it.
        self.live_floor = speaker.live_floor
        self._replies = OwnReplies(
            turns,
            speaker,
            answers,
            typed,
            lambda: self.session,
            transcriber=transcriber,
            speaks=lambda: self.hears_candidate,
        )
        self._thinking = ThinkingAhead(orchestrator, answers, lambda: self.answer_is_over)
        #: Called after an utterance that ended early although nothing interrupted it. During the
        #: call, it is still the interviewer's turn to speak.
        self.on_unspoken: Callable[[], Coroutine[Any, Any, None]] | None = None
        #: Function that waits for a good point at which to cut off the current speech, and returns
        #: True if all of the speech was played.
        self.sentence_over: SentenceOver | None = None
        #: True if the candidate has typed since they last spoke.
        self.has_typed = False
        #: Event-loop time at which the candidate or the interviewer was last heard.
        self.last_sound = asyncio.get_running_loop().time()

    async def on_enter(self) -> None:
        """Subscribe to the session's events."""
        self.session.on("speech_created", self._speaker.speech_created)
        self.session.on("user_state_changed", self._on_candidate)
        self.session.on("agent_state_changed", self._on_sound)
        self.session.on("user_input_transcribed", self._on_candidate)
        self.answers.listen(self.session)
        self.session.on("user_input_transcribed", lambda _: self._turns.patience.text_came())
        self._thinking.listen(self.session)

    async def on_exit(self) -> None:
        """Cancel timers, a pending journal write, and the recovery of an unspoken utterance."""
        self._turns.patience.stop()
        self._replies.late_text.stop()
        self.live_floor.stop()
        self.answers.stop()
        self._typed.stop()
        self._speaker.stop()
        self._orchestrator.stop_thinking()
        for task in self._mending:
            task.cancel()

    @property
    def sounding(self) -> bool:
        """True if the interviewer or the candidate is speaking or about to speak."""
        return self.floor.ours or self.hears_candidate or self.session.agent_state == "speaking"

    @property
    def hears_candidate(self) -> bool:
        """True if the candidate is speaking now."""
        return self.session.user_state == "speaking"

    @property
    def answer_is_over(self) -> bool:
        """True if the candidate has answered and the candidate's turn is about to end."""
        return bool(self.answers.half.text) and not (self.floor.ours or self.hears_candidate)

    @property
    def next_role(self) -> Role:
        """Role of the utterance that is being spoken, or else of the next utterance."""
        return self._speaker.next_role

    def continues_after(self, why: Detail) -> None:
        """Note why the interviewer repeats a question, for the dialogue record of the repetition.

        Raises OrchestratorNotReady if the plan has not loaded.
        """
        self._orchestrator.tracker.resumes_after = why

    @property
    def dialogue(self) -> DialogueTracker:
        """The state of the dialogue. Raises OrchestratorNotReady if the plan has not loaded."""
        return self._orchestrator.tracker

    async def recorded(self) -> None:
        """Wait for the records of utterances that are over. They precede those of later events."""
        await self._utterances.recorded()

    def noted(self, given: Happening) -> None:
        """Record an event, and say nothing about it yet. Call this only while holding `exclusive`.

        Raises OrchestratorNotReady if the plan has not loaded.
        """
        self._book.happened(self.dialogue.happened(given))

    async def happened(self, given: Happening) -> None:
        """Record an event, and speak the utterance that follows it, or end the interview.

        Call this only while holding `exclusive`. Raises the same exceptions as `speak_next`.
        """
        self.noted(given)
        if (self.dialogue.has_due or self.dialogue.is_over) and not self._turns.stop.begun:
            await self.speak_next()

    async def speak_next(self) -> None:
        """Start to speak the next utterance without waiting for the candidate.

        The greeting and a repeated question start in this way. Raises OrchestratorNotReady if the
        plan has not loaded, and RuntimeError if the session is closing.
        """
        await self._speaker.speak_next()

    def speak_plainly(self) -> None:
        """Use the plan's own words for the next utterance, without waiting for a language model."""
        self._orchestrator.speak_plainly()

    async def write_next(self) -> None:
        """Send the next utterance as text instead of as speech, and record it as a turn.

        Raises RuntimeError if there is no writer, and any exception that the writer raises.
        """
        await self._speaker.write_next()

    async def cut_off(self) -> bool:
        """Interrupt the current or pending speech. Return False if the session does not respond."""
        return await self._speaker.cut_off()

    @property
    def almost_done(self) -> bool:
        """True if the closing is being spoken, or the interviewer has nothing left to say."""
        return self.finished.is_set() or (self.floor.ours and self.next_role is Role.CLOSING)

    async def come_to_a_stop(self, longest_s: float) -> None:
        """Stop replying, wait for a good moment, and cut off the interviewer's speech.

        The method waits for the end of the candidate's answer, and after the answer for the end of
        the interviewer's utterance or a pause in it. Each wait takes at most `longest_s` seconds.
        An answer that ends in time becomes a complete turn. A longer answer is recorded by
        `answers.keep_half`.
        """
        await self._turns.stop.at_a_pause(self.session, self.sentence_over, longest_s=longest_s)
        async with self.exclusive.held():  # an answer that was just given still becomes a turn
            await self.cut_off()
        if not (self.hears_candidate or self.answers.half.text):
            # No transcript is pending, so the closing session need not wait for a transcript.
            self.session.options.session_close_transcript_timeout = 0.0

    async def conclude(self) -> Outcome:
        """Record that the interview is over after the goodbye; return the dialogue's outcome."""
        async with self.exclusive.held():  # a turn that is being committed has its records first
            self._book.conclude()
            return self._orchestrator.tracker.outcome

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """Commit the candidate's turn. The session does not reply before this method returns.

        Raises StopResponse if the interviewer has nothing left to say, if the interview is
        stopping, if a part of the answer has no transcript yet (`LateText`), or if the words have
        already been committed as a partial answer. The method raises no other exception, because
        any other exception would lose the turn and leave the interviewer silent.
        """
        if not self.finished.is_set() and self._replies.late_text.holds_back(new_message):
            raise StopResponse
        heard = self.answers.heard()
        async with self.exclusive.held() as waited:
            if self.answers.was_kept(heard):
                # The partial answer was committed, and the interviewer already speaks again.
                raise StopResponse
            if waited:
                # Cut off what the previous block began to say, because the reply to this answer
                # comes next.
                await self.cut_off()
            follows = await self._turns.take_answer(self.answers.spoken(new_message, heard))
            self._turns.stop.candidate_moved()
        if follows is not Follows.UTTERANCE or self._turns.stop.begun:
            raise StopResponse

    async def on_text(self, text: str) -> None:
        """Commit a typed answer as a turn, and reply as to a spoken answer.

        Messages that arrive while an earlier message is being committed are joined, and get one
        reply.
        """
        if not self._typed.admit(text):
            return
        self._on_sound(None)
        self.has_typed = True
        await self._replies.take_typed()

    def text_refused(self, *, for_good: bool) -> None:
        """Tell the candidate that a message (with `for_good`: every later message) is refused."""
        self._typed.refuse(for_good=for_good)

    def cannot_hear(self) -> None:
        """Tolerate long pauses until a transcript arrives, as no STT provider is left."""
        self._turns.patience.wait_for_text()

    async def let_go_of_answer(self) -> None:
        """Commit the partial answer, so that the next speech begins a new answer.

        Call this only while holding `exclusive`.
        """
        await self._replies.let_go_of_answer()

    def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterable[stt.SpeechEvent]:
        """Transcribe the candidate's audio, without words that the floor takes for no turn.

        `answers.missed` records when each frame arrives.
        """
        heard = self.answers.missed.listening(audio)
        return self.live_floor.passing(Agent.default.stt_node(self, heard, model_settings))

    def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterable[llm.ChatChunk]:
        """Return the words of the speech that is being generated."""
        return self._speaker.words(chat_ctx)

    def _on_sound(self, _: Any) -> None:
        self.last_sound = asyncio.get_running_loop().time()

    def _on_candidate(self, event: Any) -> None:
        self._on_sound(event)
        self.has_typed = False
        self._turns.stop.candidate_moved()
        self._replies.late_text.candidate_moved()
        if self.floor.ours:
            self.floor.contest()

    def _mend(self) -> None:
        if self._turns.stop.begun:
            return
        if self.on_unspoken is not None and self.next_role is not Role.DONE:
            task = asyncio.get_running_loop().create_task(self.on_unspoken(), name="mend")
            self._mending.add(task)
            task.add_done_callback(self._mending.discard)

    def _on_kept(self, whole: bool) -> None:
        """Handle the end of a recorded utterance; `whole` is true if it was spoken to its end."""
        self._on_sound(None)
        self.answers.missed.asked()
        self._speaker.utterance_over(whole=whole)
