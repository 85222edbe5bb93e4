"""Sentences that an earlier version had spoken ahead of time are heard, and no voice is asked."""

from __future__ import annotations

import importlib.metadata
import shutil
from typing import TYPE_CHECKING, Any, Never

import numpy as np
import pytest
from livekit.agents import APIConnectionError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from tests.compat.captured import broken
from worker.config.settings import Settings
from worker.fallback.chain import ProviderChain
from worker.speech.tts.cache import SpeechCache, Voice, voices_of
from worker.speech.tts.fallback import SAMPLE_RATE, ChainTTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.compat.captured import Captured

_LEAST_S = 0.3


class SilentVoice(tts.TTS[Never]):
    """A voice that cannot speak, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
        )
        self.asked: list[str] = []

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> Any:
        """Fail."""
        self.asked.append(text)
        raise APIConnectionError


def _cache(captured: Captured, folder: Path) -> tuple[str, SpeechCache, list[str]]:
    """The provider's name, a copy of the captured cache, and the sentences in it."""
    index = captured.data("speech", "index.json")
    voice = Voice(**{**index["voice"], "settings": tuple(index["voice"]["settings"])})
    shutil.copytree(captured.path("speech"), folder / "speech")
    store = SpeechCache(folder / "speech", {index["provider"]: voice}, max_bytes=10_000_000)
    return index["provider"], store, index["sentences"]


async def test_every_sentence_is_found_by_voice_and_text(
    captured: Captured, tmp_path: Path
) -> None:
    provider, store, sentences = _cache(captured, tmp_path)
    found = {sentence: await store.find(provider, sentence) for sentence in sentences}
    broken(
        [
            f"The prepared sentence {sentence!r} of version {captured} is not found any more: "
            "every worker would have its planned lines spoken a second time."
            for sentence, pcm in found.items()
            if pcm is None
        ]
    )
    for pcm in found.values():
        assert pcm is not None
        assert len(pcm) / SAMPLE_RATE > _LEAST_S
        assert np.abs(pcm.astype(np.int32)).max() > 0


async def test_a_prepared_sentence_is_spoken_without_any_provider(
    captured: Captured, tmp_path: Path
) -> None:
    provider, store, sentences = _cache(captured, tmp_path)
    voice = SilentVoice()
    chain: ProviderChain[tts.TTS[Any]] = ProviderChain("tts", [(provider, lambda: voice)])
    engine = ChainTTS(chain, prepared=store)
    for sentence in sentences:
        kept = await store.find(provider, sentence)
        assert kept is not None
        async with engine.stream() as stream:
            stream.push_text(sentence)
            stream.end_input()
            heard = [audio.frame.samples_per_channel async for audio in stream]
        assert sum(heard) >= len(kept)
    assert voice.asked == []
    await engine.aclose()


@pytest.mark.usefixtures("only_these_settings")
def test_the_local_voice_keeps_its_name_while_its_model_is_the_same(
    captured: Captured,
) -> None:
    old = captured.data("speech", "index.json")["voice"]
    if old["model"] != importlib.metadata.version("hibari-tts"):
        pytest.skip("another version of the local voice is installed: its cache is another one")
    new = voices_of(Settings.load())["local"]
    assert vars(new) == {**old, "settings": tuple(old["settings"])}
