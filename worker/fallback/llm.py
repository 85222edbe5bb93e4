"""A LiveKit LLM on top of a fallback chain of providers."""

from __future__ import annotations

import asyncio
from typing import Any, Never

from livekit.agents import APIConnectionError, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from worker import faults
from worker.fallback.chain import ProviderChain
from worker.fallback.failure import NoProviderLeft

#: Connect options: a timeout of 5 s, and no retries, because the chain asks the next provider.
_CONNECT = APIConnectOptions(max_retry=0, timeout=5.0)


class ChainLLM(llm.LLM[Never]):
    """LLM that falls back to the next provider if one fails or answers too late.

    `first_word_s` is the timeout for a provider's first word, in seconds.
    """

    def __init__(self, chain: ProviderChain[llm.LLM[Any]], *, first_word_s: float) -> None:
        super().__init__()
        self.chain = chain
        self.first_word_s = first_word_s

    @property
    def model(self) -> str:
        """The model that serves, for usage metrics."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """The name of the serving chain member."""
        return self.chain.serving

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        """Start a reply. The stream raises NoProviderLeft if no provider can reply."""
        return _ChainStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=_CONNECT)

    async def aclose(self) -> None:
        """Close all created providers."""
        await super().aclose()
        await self.chain.aclose()


class _ChainStream(llm.LLMStream):
    def __init__(self, owner: ChainLLM, **stream: Any) -> None:
        super().__init__(owner, **stream)
        self._chain = owner.chain
        self._first_word_s = owner.first_word_s

    async def _run(self) -> None:
        # Skip the providers that cool down, because the interview plan supplies a text immediately
        # if no provider replies.
        for name, engine in self._chain.candidates(resting=False):
            try:
                await self._ask(name, engine)
            except Exception as error:  # any error; another provider may work
                self._chain.failed(name, error, engine=engine)
                if self._event_ch.output_sent:
                    raise APIConnectionError("the reply of the language model broke off") from None
            else:
                self._chain.served(name)
                return
        raise NoProviderLeft(self._chain.resource)

    async def _ask(self, name: str, engine: llm.LLM[Any]) -> None:
        """Forward one provider's reply.

        Raises TimeoutError if the first word is late, APIConnectionError if the reply is empty, and
        the plugin's errors.
        """
        async with (
            asyncio.timeout(self._first_word_s) as patience,
            engine.chat(
                chat_ctx=self._chat_ctx, tools=self._tools, conn_options=self._conn_options
            ) as stream,
        ):
            async for chunk in faults.through("llm", stream, name):
                self._event_ch.send_nowait(chunk)
                if self._event_ch.output_sent:
                    # No timeout applies after the first word, because the caller handles later
                    # delays.
                    patience.reschedule(None)
        if not self._event_ch.output_sent:
            raise APIConnectionError("the provider sent an empty reply")
