"""Speech to text by a chain of providers, as one livekit STT."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Never

from livekit import rtc
from livekit.agents import APIConnectionError, stt
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)
from livekit.agents.utils import AudioBuffer, aio

from worker.speech.provider_chain import NoProviderLeft, ProviderChain

logger = logging.getLogger(__name__)

#: Every provider is given this rate (hertz): what both speech models and telephony speech need.
_SAMPLE_RATE = 16_000
#: Seconds to connect. The next provider is asked at once, so no provider tries again by itself.
_CONNECT = APIConnectOptions(max_retry=0, timeout=5.0)
#: A stream that has lived for so many seconds worked: it is opened again with the same provider.
_STEADY_S = 10.0
#: Seconds before the whole chain is asked again; doubled each time.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0

_DELIVERED = (
    stt.SpeechEventType.INTERIM_TRANSCRIPT,
    stt.SpeechEventType.PREFLIGHT_TRANSCRIPT,
    stt.SpeechEventType.FINAL_TRANSCRIPT,
)


class ChainSTT(stt.STT[Never]):
    """Listens by the first provider that serves, and by the next where that one fails.

    A stream of it never fails: with no provider left it asks them again, with back-off, for as
    long as audio comes. Otherwise livekit-agents would close the session over it.
    """

    def __init__(self, chain: ProviderChain[stt.STT[Any]]) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.chain = chain

    @property
    def model(self) -> str:
        """The model that serves, for usage figures."""
        return self.chain.engine.model if self.chain.engine else "none"

    @property
    def provider(self) -> str:
        """The chain's member that serves."""
        return self.chain.serving

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        for name, engine in self.chain.candidates():
            try:
                event = await engine.recognize(buffer, language=language, conn_options=_CONNECT)
            except Exception as error:
                self.chain.failed(name, error)
            else:
                self.chain.served(name)
                return event
        raise NoProviderLeft(self.chain.resource)

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        """A stream over the chain. The providers' own languages are settings."""
        return _ChainStream(self, conn_options)

    async def aclose(self) -> None:
        """Close every provider that was made."""
        await self.chain.aclose()


class _ChainStream(stt.RecognizeStream):
    def __init__(self, owner: ChainSTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=owner, conn_options=conn_options, sample_rate=_SAMPLE_RATE)
        self._chain = owner.chain

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._input_ch.closed:
            began = asyncio.get_running_loop().time()
            for name, engine in self._chain.candidates():
                if await self._listen(name, engine):
                    break
            if asyncio.get_running_loop().time() - began > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
                continue
            await self._let_pass(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _listen(self, name: str, engine: stt.STT[Any]) -> bool:
        """Listen by one provider. False where it failed and another one should be asked."""
        began = asyncio.get_running_loop().time()
        inner: stt.RecognizeStream | None = None
        feeding: asyncio.Task[None] | None = None
        try:
            inner = engine.stream(conn_options=_CONNECT)
            feeding = asyncio.create_task(self._feed(inner), name=f"feed-{name}")
            async for event in inner:
                if event.type in _DELIVERED:
                    self._chain.served(name)
                self._event_ch.send_nowait(event)
            if self._input_ch.closed:
                return True
            raise APIConnectionError("the stream ended while there was audio to come")
        except Exception as error:  # whatever a plugin raises, somebody must go on listening
            if asyncio.get_running_loop().time() - began > _STEADY_S:
                logger.info("speech to text by %s broke off, and is opened again", name)
                return True
            self._chain.failed(name, error)
            return False
        finally:
            if feeding is not None:
                await aio.cancel_and_wait(feeding)
            if inner is not None:
                await inner.aclose()

    async def _feed(self, inner: stt.RecognizeStream) -> None:
        # A stream that has ended refuses audio; its own error is the one that tells.
        with contextlib.suppress(RuntimeError):
            async for item in self._input_ch:
                if isinstance(item, rtc.AudioFrame):
                    inner.push_frame(item)
                else:
                    inner.flush()
            inner.end_input()

    async def _let_pass(self, seconds: float) -> None:
        """Nobody listens: what is said now would only pile up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in self._input_ch:
                    pass
