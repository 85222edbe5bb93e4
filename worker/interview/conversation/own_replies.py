"""`OwnReplies`: answers to which the interviewer replies by itself, because the session does not.

These are typed messages, and the text of a turn whose end was held back (`LateText`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from worker.interview.conversation.answers import Answers
from worker.interview.conversation.late_text import LateText, Transcriber
from worker.interview.conversation.speaker import Speaker
from worker.interview.conversation.turn_taking import Follows, TurnTaking
from worker.interview.conversation.typed_messages import TypedMessages

if TYPE_CHECKING:
    from livekit.agents import AgentSession


class OwnReplies:
    """Commits typed and held-back answers, and replies to them.

    Args:
        turns: Gives the turn to speak.
        speaker: Cuts off the current speech.
        answers: Records the answers.
        typed: The typed messages that wait to become an answer.
        session: Returns the session.
        transcriber: Returns the speech-to-text in use; None if there is none.
        speaks: Returns whether the candidate is speaking.
    """

    def __init__(
        self,
        turns: TurnTaking,
        speaker: Speaker,
        answers: Answers,
        typed: TypedMessages,
        session: Callable[[], AgentSession[Any]],
        *,
        transcriber: Callable[[], Transcriber | None],
        speaks: Callable[[], bool],
    ) -> None:
        self._turns = turns
        self._speaker = speaker
        self._answers = answers
        self._typed = typed
        self._session = session
        #: Holds back the end of a turn while a part of the answer has no transcript yet.
        self.late_text = LateText(answers, transcriber, speaks=speaks, commit=self._take_held_back)

    async def take_typed(self) -> None:
        """Commit the typed messages that wait as one answer, and reply to it."""
        async with self._turns.exclusive.held():
            if self._typed.waiting:  # otherwise an earlier call has already taken this message
                await self._take_typed()

    async def _take_typed(self) -> None:
        await self._speaker.cut_off()
        if self._turns.patience.deaf or self.late_text.is_due or self._answers.missed.cut:
            # Commit the partial answer first, so that a late transcript does not become the answer
            # to another question.
            await self.let_go_of_answer()
        await self._reply_to(self._answers.typed(self._typed.take()))

    async def _take_held_back(self) -> None:
        """Commit the text of a turn that was held back, and reply to it."""
        async with self._turns.exclusive.held():
            if self._answers.is_held:  # otherwise the text is already part of another turn
                with contextlib.suppress(RuntimeError):  # the session is closing
                    await self._reply_to(self._answers.held_back())
        self._turns.stop.candidate_moved()

    async def let_go_of_answer(self) -> None:
        """Commit the partial answer, so that the next speech begins a new answer.

        Call this only while holding `exclusive`.
        """
        self.late_text.stop()
        with contextlib.suppress(RuntimeError):  # the session is closing
            self._session().clear_user_turn()
        await self._answers.keep_half()
        self._turns.stop.candidate_moved()

    async def _reply_to(self, taking: Awaitable[None]) -> None:
        """Commit an answer, and reply to it unless the interview is over or stopping."""
        follows = await self._turns.take_answer(taking)
        if follows is Follows.UTTERANCE and not (self._turns.stop.begun or self._typed.waiting):
            self._session().generate_reply()
