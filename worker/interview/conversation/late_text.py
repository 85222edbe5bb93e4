"""The end of the candidate's turn while transcripts of the candidate's speech are still missing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from livekit.agents import llm

    from worker.interview.conversation.answers import Answers

logger = logging.getLogger(__name__)

#: Seconds without a transcript and without speech after which the rest of the answer is no longer
#: expected, once speech-to-text has caught up. The time allows for the last transcript to pass
#: through the session.
_SETTLED_S: Final = 1.0


class Transcriber(Protocol):
    """The part of `ChainSTT` that tells whether transcripts of earlier speech are still due."""

    @property
    def is_behind(self) -> bool:
        """True if a transcript of earlier speech is still expected."""

    async def caught_up(self) -> None:
        """Wait until no transcript of earlier speech is expected, or a time limit is over."""


class LateText:
    """Holds back the end of the candidate's turn until speech-to-text has caught up.

    The framework ends a turn after a silence, with the transcripts that have arrived. If
    speech-to-text is slow, a transcript of the speech before the silence is still missing, and
    would become a separate turn, as an answer to the next question. Therefore the text of the ended
    turn is held back in `Answers`, and becomes a part of the next turn that the session ends. If no
    further transcript arrives, the held text becomes a turn.

    Args:
        answers: Keeps the text of the turn that is held back.
        transcriber: Returns the speech-to-text in use; None if there is none.
        speaks: Returns whether the candidate is speaking.
        commit: Commits the held-back text as a turn, and replies to the turn.
    """

    def __init__(
        self,
        answers: Answers,
        transcriber: Callable[[], Transcriber | None],
        *,
        speaks: Callable[[], bool],
        commit: Callable[[], Awaitable[None]],
    ) -> None:
        self._answers = answers
        self._transcriber = transcriber
        self._speaks = speaks
        self._commit = commit
        self._moved = asyncio.Event()
        self._waiting: asyncio.Task[None] | None = None
        self._committing: set[asyncio.Task[None]] = set()

    @property
    def is_due(self) -> bool:
        """True if a part of the current answer has no transcript yet."""
        return self._answers.is_held or self._is_behind

    def holds_back(self, message: llm.ChatMessage) -> bool:
        """Return whether the end of a turn must wait; if it must, keep the text of the turn."""
        if not self._is_behind:
            self.stop()  # the session's turn includes the text that is held back
            return False
        logger.info(
            "the end of the candidate's turn waits for the transcript of earlier speech",
            extra={"event": "turn_end_held_back"},
        )
        self._answers.hold_back(message)
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait(), name="late-text")
        return True

    def candidate_moved(self) -> None:
        """Handle a transcript, and a start or an end of the candidate's speech."""
        self._moved.set()

    def stop(self) -> None:
        """Stop waiting for a turn that is held back.

        If the text is already being committed, the commit is completed.
        """
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    @property
    def _is_behind(self) -> bool:
        transcriber = self._transcriber()
        return transcriber is not None and transcriber.is_behind

    async def _wait(self) -> None:
        while True:
            if (transcriber := self._transcriber()) is not None:
                await transcriber.caught_up()
            while await self._moves():
                pass
            if not self._is_behind:
                break
        waiting, self._waiting = self._waiting, None
        if self._answers.goes_on:
            # Speech has begun again, and the turn that follows includes the text that is held back.
            return
        if waiting is not None:
            self._committing.add(waiting)
            waiting.add_done_callback(self._committing.discard)
        await self._commit()

    async def _moves(self) -> bool:
        """Wait for speech or a transcript; return False if neither came within `_SETTLED_S`."""
        self._moved.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._speaks() else _SETTLED_S):
                await self._moved.wait()
                return True
        return False
