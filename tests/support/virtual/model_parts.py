"""Fake language model for tests of the text that the interviewer generates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Never

from livekit.agents import llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

#: Produces a reply from the system message and the user message.
Reply = Callable[[str, str], AsyncIterator[str]]


class ModelStandIn(llm.LLM[Never]):
    """LLM that gives the configured reply and records its prompts."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply
        self.asked: list[tuple[str, str]] = []
        self.is_asked = asyncio.Event()
        self.has_ended = asyncio.Event()
        self.ended = 0

    @property
    def model(self) -> str:
        return "stand-in"

    @property
    def provider(self) -> str:
        return "tests"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        system, user = (message.text_content or "" for message in chat_ctx.messages())
        self.asked.append((system, user))
        self.is_asked.set()
        return _Reply(self, system, user, chat_ctx=chat_ctx, tools=[], conn_options=conn_options)


class _Reply(llm.LLMStream):
    def __init__(self, owner: ModelStandIn, system: str, user: str, **stream: Any) -> None:
        super().__init__(owner, **stream)
        self._owner = owner
        self._told = (system, user)

    async def _run(self) -> None:
        try:
            async for piece in self._owner.reply(*self._told):
                delta = llm.ChoiceDelta(role="assistant", content=piece)
                self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))
        finally:
            self._owner.ended += 1
            self._owner.has_ended.set()


def says(*pieces: str | float) -> Reply:
    """Return a reply of these pieces; a number is a pause in seconds."""

    async def reply(_: str, __: str) -> AsyncIterator[str]:
        for piece in pieces:
            if isinstance(piece, str):
                yield piece
            else:
                await asyncio.sleep(piece)

    return reply


def fails(error: BaseException) -> Reply:
    """Return a reply that raises `error`."""

    async def reply(_: str, __: str) -> AsyncIterator[str]:
        raise error
        yield ""

    return reply


def says_for_ever(piece: str, pause_s: float = 0.0) -> Reply:
    """Return a reply that repeats `piece` and never ends."""

    async def reply(_: str, __: str) -> AsyncIterator[str]:
        while True:
            yield piece
            await asyncio.sleep(pause_s)

    return reply
