"""The interviewer's utterance in its final wording, and its words as a stream for livekit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import llm
from livekit.agents.utils import shortuuid

from worker.interview.turn import LlmAllowance, Move


class Utterance:
    """The interviewer's utterance at one position in the plan.

    The wording is chosen only once, even if livekit requests the utterance several times.
    `words_for` returns the utterance in its final wording.
    """

    def __init__(
        self, words_for: Callable[[LlmAllowance], Awaitable[Move]], scope: LlmAllowance
    ) -> None:
        self._words_for = words_for
        self._leeway = scope
        self._finding = asyncio.Lock()
        self._found: Move | None = None

    @property
    def move(self) -> Move:
        """The utterance in its final wording, or in the plan's words before `found` returned."""
        return self._found or self._leeway.move

    async def found(self) -> Move:
        """Return the utterance in its final wording.

        Only the first call asks the language model.
        """
        async with self._finding:
            if self._found is None:
                self._found = await self._words_for(self._leeway)
            return self._found


class UtteranceStream(llm.LLMStream):
    """The words of an utterance as the reply of a language model."""

    def __init__(self, owner: llm.LLM[Any], utterance: Utterance, **stream: Any) -> None:
        super().__init__(owner, **stream)
        self._utterance = utterance

    async def _run(self) -> None:
        move = await self._utterance.found()
        if move.text:
            delta = llm.ChoiceDelta(role="assistant", content=move.text)
            self._event_ch.send_nowait(llm.ChatChunk(id=shortuuid("words_"), delta=delta))
