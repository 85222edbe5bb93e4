"""A language model by a chain of providers, as one livekit LLM."""

from __future__ import annotations

import asyncio
from typing import Any, Never

from livekit.agents import APIConnectionError, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from worker import faults
from worker.providers.chain import ProviderChain
from worker.providers.failure import NoProviderLeft

#: Seconds to connect. The next provider is asked at once, so no provider tries again by itself.
_CONNECT = APIConnectOptions(max_retry=0, timeout=5.0)


class ChainLLM(llm.LLM[Never]):
    """Asks the first provider that serves, and the next where that one says nothing in time.

    `first_word_s` is the longest wait for a provider's first word, in seconds.
    """

    def __init__(self, chain: ProviderChain[llm.LLM[Any]], *, first_word_s: float) -> None:
        super().__init__()
        self.chain = chain
        self.first_word_s = first_word_s

    @property
    def model(self) -> str:
        """The model that serves, for usage figures."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """The chain's member that serves."""
        return self.chain.serving

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        """A reply. Raises NoProviderLeft from the stream where nobody has one."""
        return _ChainStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=_CONNECT)

    async def aclose(self) -> None:
        """Close every provider that was made."""
        await super().aclose()
        await self.chain.aclose()


class _ChainStream(llm.LLMStream):
    def __init__(self, owner: ChainLLM, **stream: Any) -> None:
        super().__init__(owner, **stream)
        self._chain = owner.chain
        self._first_word_s = owner.first_word_s

    async def _run(self) -> None:
        # The plan has words at once: nobody waits for one that is known to rest.
        for name, engine in self._chain.candidates(resting=False):
            try:
                await self._ask(name, engine)
            except Exception as error:  # whatever a plugin raises, somebody else may have words
                self._chain.failed(name, error)
                if self._event_ch.output_sent:
                    raise APIConnectionError("the reply broke off") from None
            else:
                self._chain.served(name)
                return
        raise NoProviderLeft(self._chain.resource)

    async def _ask(self, name: str, engine: llm.LLM[Any]) -> None:
        """Pass on one provider's reply. Raises TimeoutError, and what its plugin does."""
        async with (
            asyncio.timeout(self._first_word_s) as patience,
            engine.chat(
                chat_ctx=self._chat_ctx, tools=self._tools, conn_options=self._conn_options
            ) as stream,
        ):
            async for chunk in faults.through("llm", stream, name):
                self._event_ch.send_nowait(chunk)
                if self._event_ch.output_sent:
                    # What is late after the first word is the caller's to judge.
                    patience.reschedule(None)
        if not self._event_ch.output_sent:
            raise APIConnectionError("the provider said nothing")
