"""Stops an interviewer at a good moment, before another job takes over or the interview ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from livekit.agents import AgentSession

#: Maximum seconds to wait until the session has ended its current speech.
CUT_OFF_S: Final = 1.0


class SentenceOver(Protocol):
    """Signature of `MixedAudioOutput.sentence_over`, which waits for a good point to cut speech."""

    async def __call__(self, *, longest_s: float) -> bool: ...


class Stop:
    """Tells whether an interviewer is stopping, and waits until its speech may be cut off.

    `is_answering` tells whether the candidate is speaking, or has given an answer that is not yet
    committed as a turn.
    """

    def __init__(self, is_answering: Callable[[], bool]) -> None:
        self._is_answering = is_answering
        #: True once the interviewer is stopping: answers are recorded, but get no reply.
        self.begun = False
        self._candidate_moved = asyncio.Event()

    def candidate_moved(self) -> None:
        """Note that the candidate started or stopped speaking, or that an answer was committed."""
        self._candidate_moved.set()

    async def at_a_pause(
        self, session: AgentSession[Any], sentence_over: SentenceOver | None, *, longest_s: float
    ) -> None:
        """Begin to stop, and wait for a good moment.

        The method waits for the end of the candidate's answer, then for the end of the
        interviewer's utterance or a pause in the utterance. Each of the two waits takes at most
        `longest_s` seconds.
        """
        self.begun = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                while self._is_answering():
                    self._candidate_moved.clear()
                    await self._candidate_moved.wait()
        if sentence_over is not None and await sentence_over(longest_s=longest_s):
            with contextlib.suppress(TimeoutError):  # the speech is played and ends on its own
                if (speech := session.current_speech) is not None:
                    await asyncio.wait_for(speech.wait_for_playout(), CUT_OFF_S)
