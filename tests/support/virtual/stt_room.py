"""An STT fallback chain with a listener, and a record of its conditions and faults."""

from __future__ import annotations

from typing import Any

from livekit.agents import vad

from states import Condition, Status
from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.stt_fakes import CountingSTT, Listener, LoudnessVAD
from worker.fallback.chain import ProviderChain
from worker.speech.stt.fallback import ChainSTT

#: The words of one answer.
ANSWER = list(range(1, 11))


class Room:
    """An STT fallback chain, its listener, and the conditions and faults that it reports."""

    def __init__(self, detector: vad.VAD | None = None, **engines: CountingSTT) -> None:
        self.chain: ProviderChain[Any] = chain_of("stt", **engines)
        self.conditions: list[Condition] = []
        self.faults: list[tuple[str, str]] = []
        self.chain.on_change = self.conditions.append
        self.chain.on_fault = lambda name, reason: self.faults.append((name, reason))
        self.engine = ChainSTT(self.chain, detector=detector or LoudnessVAD())
        self.listener = Listener(self.engine)
        self.hear = self.listener.hear

    async def ends(self) -> list[int]:
        """End the audio, close the chain, and return the recognised words."""
        await self.listener.end()
        await self.engine.aclose()
        return self.listener.words

    @property
    def said(self) -> list[tuple[Status, str]]:
        return [(condition.status, condition.reason) for condition in self.conditions]
