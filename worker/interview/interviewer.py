"""The interviewer as a livekit agent: it listens, keeps every turn, and speaks the next move."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from livekit.agents import Agent, SpeechCreatedEvent, StopResponse, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.turn import EndpointingOptions

from worker.interview.orchestrator import Move, Role, Said
from worker.interview.orchestrator_llm import OrchestratorLLM

logger = logging.getLogger(__name__)

#: Writes a turn into the journal and returns once it is committed. Never raises.
TurnKeeper = Callable[..., Awaitable[None]]

#: Seconds that a candidate's turn waits for the record of the utterance it cut off.
_RECORD_WAIT_S = 2.0


class Interviewer(Agent):
    """Speaks what the orchestrator decides and commits what was said, in that order."""

    def __init__(self, orchestrator: OrchestratorLLM, keep_turn: TurnKeeper) -> None:
        # The plan's words are spoken as they are: there is no model to instruct.
        super().__init__(instructions="Hold the planned interview.")
        self._orchestrator = orchestrator
        self._keep_turn = keep_turn
        self._recording: set[asyncio.Task[None]] = set()
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
        if self._recording:
            await asyncio.wait(self._recording, timeout=_RECORD_WAIT_S)
        text = (new_message.text_content or "").strip()
        try:
            question_id = self._orchestrator.open_question().id
            said = Said(
                speaker="candidate", text=text, at=datetime.now(UTC), question_id=question_id
            )
            await self._keep_turn(
                speaker="candidate",
                text=text,
                question_id=question_id,
                role=None,
                generated="",
                heard="",
                interrupted=False,
            )
            self._orchestrator.commit(said)
            done = self._orchestrator.next_move().role is Role.DONE
        except Exception:
            logger.exception("a turn was not taken into the plan")
            return
        if done:
            self.finished.set()
            raise StopResponse

    # --- the interviewer's own turns -----------------------------------------------------------

    def _on_sound(self, _: Any) -> None:
        self.last_sound = asyncio.get_running_loop().time()

    def _on_speech_created(self, event: SpeechCreatedEvent) -> None:
        move = self._orchestrator.next_move()
        event.speech_handle.add_done_callback(lambda handle: self._on_spoken(handle, move))

    def _on_spoken(self, handle: SpeechHandle, move: Move) -> None:
        task = asyncio.get_running_loop().create_task(self._record(handle, move), name="record")
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _record(self, handle: SpeechHandle, move: Move) -> None:
        heard = " ".join(
            item.text_content or "" for item in handle.chat_items if item.type == "message"
        ).strip()
        interrupted = handle.interrupted
        if not heard:
            logger.info("an utterance was cut off before it was heard", extra={"role": move.role})
            return
        said = Said(
            speaker="interviewer",
            text=heard,
            at=datetime.now(UTC),
            question_id=move.question_id,
            role=move.role,
            generated=move.text,
            interrupted=interrupted,
        )
        await self._keep_turn(
            speaker="interviewer",
            text=heard,
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
        # A session that is closing has no agent any more, and needs no pause.
        with contextlib.suppress(RuntimeError):
            self._think_with(self._orchestrator.open_question().thinking_pause_s)

    def _think_with(self, pause_s: float) -> None:
        """How long a silence ends the answer to this question."""
        options = EndpointingOptions(min_delay=pause_s, max_delay=max(pause_s, 6.0))
        self.session.update_options(endpointing_opts=options)
