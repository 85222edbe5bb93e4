"""The interviewer as a livekit agent: it listens, keeps every turn, and speaks the next move."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from livekit.agents import Agent, ModelSettings, SpeechCreatedEvent, StopResponse, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.turn import EndpointingOptions

from worker.interview.half_answer import HalfAnswer
from worker.interview.orchestrator import Move, Role, Said
from worker.interview.orchestrator_llm import OrchestratorLLM, Utterance

logger = logging.getLogger(__name__)

#: Writes a turn into the journal and returns once it is committed. Never raises.
TurnKeeper = Callable[..., Awaitable[None]]

#: Shows the candidate words that could not be spoken. May raise.
Writer = Callable[[str], Awaitable[None]]

#: Seconds that a candidate's turn waits for the record of the utterance it cut off.
_RECORD_WAIT_S = 2.0

#: Seconds of silence that end an answer once its question's time is over: nobody is talked
#: over, and nobody is waited for.
HURRIED_PAUSE_S = 0.6
#: Seconds that every answer has before that, also where the question's time was over before:
#: the shortest time that a plan may give.
LEAST_ANSWER_S = 10.0
#: Seconds of silence that end an answer which does not sound finished.
_UNFINISHED_PAUSE_S = 6.0

#: Seconds before words are tried again that nobody has heard, and how often they are tried
#: before they are written instead.
_UNHEARD_PAUSE_S = 0.5
_MOST_TRIES = 2
#: Characters of a typed answer: more than ten minutes of speech.
_LONGEST_TYPED = 20_000

#: What the speech says that is being made. livekit asks for its words in the context in which
#: it told of the speech, and a turn may be committed in between: what is recorded is what was said.
_utterance: ContextVar[Utterance] = ContextVar("utterance")


class Interviewer(Agent):
    """Speaks what the orchestrator decides and commits what was said, in that order."""

    def __init__(
        self, orchestrator: OrchestratorLLM, keep_turn: TurnKeeper, write: Writer | None = None
    ) -> None:
        # Nobody reads them: a model behind the orchestrator has a prompt of its own.
        super().__init__(instructions="Hold the planned interview.")
        self._orchestrator = orchestrator
        self._keep_turn = keep_turn
        self._write = write
        self._half_answer = HalfAnswer()
        self._unheard = 0
        self._recording: set[asyncio.Task[None]] = set()
        self._time_over: asyncio.TimerHandle | None = None
        #: Set once goodbye was said.
        self.finished = asyncio.Event()
        #: The loop's time at which somebody was last heard, either side.
        self.last_sound = asyncio.get_running_loop().time()

    async def on_enter(self) -> None:
        """Listen to what the session does."""
        self.session.on("speech_created", self._on_speech_created)
        self.session.on("user_state_changed", self._on_sound)
        self.session.on("agent_state_changed", self._on_sound)
        self.session.on("user_input_transcribed", self._on_sound)
        self.session.on("user_input_transcribed", self._half_answer.hear)

    async def on_exit(self) -> None:
        """Forget the time of the open question."""
        self._stop_clock()

    @property
    def sounding(self) -> bool:
        """Whether somebody is speaking now, or about to."""
        return self.session.user_state == "speaking" or self.session.agent_state in (
            "speaking",
            "thinking",
        )

    async def speak_next(self) -> None:
        """Begin the next move without waiting for the candidate: the greeting, a question again.

        Raises OrchestratorNotReady and RuntimeError (the session is closing).
        """
        if self._orchestrator.next_move().role is Role.DONE:
            self.finished.set()
            return
        self.session.generate_reply()

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """Commit the candidate's turn; nothing is spoken before this returns.

        Raises StopResponse where there is nothing more to say. Anything else that it raised
        would lose the turn and leave the interviewer silent, so nothing else leaves it.
        """
        self._half_answer.taken()
        if self._recording:
            await asyncio.wait(self._recording, timeout=_RECORD_WAIT_S)
        text = (new_message.text_content or "").strip()
        try:
            said = Said(
                speaker="candidate",
                text=text,
                at=datetime.now(UTC),
                question_id=self._orchestrator.open_question().id,
            )
            await self._keep_answer(said)
            self._orchestrator.commit(said)
            self._be_patient()
            done = self._orchestrator.next_move().role is Role.DONE
        except Exception:
            logger.exception("a turn was not taken into the plan")
            return
        if done:
            self.finished.set()
            raise StopResponse

    async def on_text(self, text: str) -> None:
        """Take a typed answer as a turn, and answer it: as good as one that was said."""
        if not (text := text.strip()[:_LONGEST_TYPED]):
            return
        self._on_sound(None)
        # Speech that may not be interrupted goes on; the answer counts all the same.
        with contextlib.suppress(RuntimeError):
            await self.session.interrupt()
        message = llm.ChatMessage(role="user", content=[text])
        try:
            await self.on_user_turn_completed(self.chat_ctx.copy(), message)
        except StopResponse:
            return
        self.session.generate_reply()

    async def keep_half_answer(self) -> None:
        """Write down what was being said when the session closed. Answers nothing by itself."""
        if text := self._half_answer.text:
            self._half_answer.taken()
            await self._keep_answer(
                Said(
                    speaker="candidate",
                    text=text,
                    at=datetime.now(UTC),
                    question_id=self._orchestrator.open_question().id,
                    interrupted=True,
                )
            )

    async def _keep_answer(self, said: Said) -> None:
        await self._keep_turn(
            speaker="candidate",
            text=said.text,
            question_id=said.question_id,
            role=None,
            generated="",
            heard="",
            interrupted=said.interrupted,
        )

    # --- the interviewer's own turns -----------------------------------------------------------

    def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterable[llm.ChatChunk]:
        """The words of the speech that is being made."""
        return self._orchestrator.chat(chat_ctx=chat_ctx, utterance=_utterance.get(None))

    def _on_sound(self, _: Any) -> None:
        self.last_sound = asyncio.get_running_loop().time()

    def _on_speech_created(self, event: SpeechCreatedEvent) -> None:
        utterance = self._orchestrator.next_utterance()
        _utterance.set(utterance)
        event.speech_handle.add_done_callback(lambda handle: self._on_spoken(handle, utterance))

    def _on_spoken(self, handle: SpeechHandle, utterance: Utterance) -> None:
        record = self._record(handle, utterance.move)
        task = asyncio.get_running_loop().create_task(record, name="record")
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _record(self, handle: SpeechHandle, move: Move) -> None:
        spoken = [item for item in handle.chat_items if item.type == "message"]
        heard = " ".join(item.text_content or "" for item in spoken).strip()
        # A voice that broke off has interrupted itself, and says so only here.
        interrupted = handle.interrupted or any(item.interrupted for item in spoken)
        if heard:
            self._unheard = 0
            await self._keep_utterance(move, heard, text=heard, interrupted=interrupted)
        elif interrupted:
            logger.info("an utterance was cut off before it was heard", extra={"role": move.role})
        else:
            await self._say_otherwise(move)

    async def _say_otherwise(self, move: Move) -> None:
        """No voice has spoken, and nobody stopped it: try once more, then write the words."""
        self._unheard += 1
        logger.error("an utterance was not spoken", extra={"role": move.role})
        if self._unheard < _MOST_TRIES or self._write is None:
            await asyncio.sleep(_UNHEARD_PAUSE_S * 2 ** min(self._unheard, 6))
            # A session that is closing says nothing more.
            with contextlib.suppress(RuntimeError):
                await self.speak_next()
            return
        try:
            await self._write(move.text)
        except Exception:
            logger.exception("an utterance was not written either")
            return
        await self._keep_utterance(move, "", text=move.text, interrupted=False)

    async def _keep_utterance(
        self, move: Move, heard: str, *, text: str, interrupted: bool
    ) -> None:
        """Commit what was heard of an utterance, or read where nothing was."""
        said = Said(
            speaker="interviewer",
            text=text,
            at=datetime.now(UTC),
            question_id=move.question_id,
            role=move.role,
            generated=move.text,
            interrupted=interrupted,
        )
        await self._keep_turn(
            speaker="interviewer",
            text=text,
            question_id=move.question_id,
            role=move.role.value,
            generated=move.text,
            heard=heard,
            interrupted=interrupted,
        )
        self._orchestrator.commit(said)
        self._on_sound(None)
        if self._orchestrator.next_move().role is Role.DONE:
            self.finished.set()
            return
        self._listen()

    # --- how long the candidate may answer -----------------------------------------------------

    def _listen(self) -> None:
        """Be patient with the answer, until its question's time is over."""
        hurried_s = min(self._be_patient(), HURRIED_PAUSE_S)
        self._time_over = asyncio.get_running_loop().call_later(
            max(LEAST_ANSWER_S, self._orchestrator.seconds_left()),
            lambda: self._think_with(hurried_s, hurried_s),
        )

    def _be_patient(self) -> float:
        """Let an answer end as its question says; returns its pause, in seconds."""
        self._stop_clock()
        pause_s = self._orchestrator.open_question().thinking_pause_s
        self._think_with(pause_s, max(pause_s, _UNFINISHED_PAUSE_S))
        return pause_s

    def _stop_clock(self) -> None:
        if self._time_over is not None:
            self._time_over.cancel()

    def _think_with(self, pause_s: float, unfinished_s: float) -> None:
        """How long a silence ends the answer, and one that does not sound finished."""
        options = EndpointingOptions(min_delay=pause_s, max_delay=unfinished_s)
        # A session that is closing has no agent any more, and needs no pause.
        with contextlib.suppress(RuntimeError):
            self.session.update_options(endpointing_opts=options)
