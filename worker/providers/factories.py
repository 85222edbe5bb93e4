"""Creation of each fallback chain member from the settings.

To add a provider, add one function here, its probe in `probe_of`, and its name in
worker/config/providers.py. Each function imports its plugin itself, so a worker whose chains do not
name a plugin never loads that plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livekit.agents import NOT_GIVEN, llm, stt, tts, vad

from worker.config.providers import ProviderSettings
from worker.config.settings import Settings
from worker.fallback.chain import ProviderChain
from worker.fallback.member import E
from worker.fallback.probe import Probe, deepgram_probe, elevenlabs_probe, openai_probe
from worker.fallback.shared_breaker import provider_breaker
from worker.speech import local_models
from worker.speech.tts.fallback import SAMPLE_RATE

#: Maximum tokens of a language model's reply. Every reply that passes the checks is shorter.
_MOST_TOKENS = 120
#: Seconds from the end of a phrase, as Deepgram detects it, to the transcript of that phrase.
_TEXT_S = 1.0


def stt_chain(settings: Settings, detector: vad.VAD | None) -> ProviderChain[stt.STT[Any]]:
    """Return the chain of speech-to-text providers."""
    return _chain("stt", settings, settings.usable("stt"), stt_makers(settings, detector))


def stt_makers(
    settings: ProviderSettings, detector: vad.VAD | None
) -> dict[str, Callable[[], stt.STT[Any]]]:
    """Return a factory for each speech-to-text provider."""

    def deepgram() -> stt.STT[Any]:
        from livekit.plugins import deepgram

        return deepgram.STT(
            api_key=settings.deepgram_api_key.get_secret_value(),
            base_url=_with_path(settings.deepgram_base_url, "/v1", "/listen"),
            model=settings.deepgram_model,
            language=settings.deepgram_language,
            endpointing_ms=settings.deepgram_endpointing_ms,
        )

    def local() -> stt.STT[Any]:
        from worker.speech.stt.local import LocalSTT

        _check_local_speech()
        return LocalSTT(vad=detector)

    return {"deepgram": deepgram, "local": local}


def tts_chain(settings: Settings) -> ProviderChain[tts.TTS[Any]]:
    """Return the chain of text-to-speech providers."""
    return _chain("tts", settings, settings.usable("tts"), tts_makers(settings))


def tts_makers(settings: ProviderSettings) -> dict[str, Callable[[], tts.TTS[Any]]]:
    """Return a factory for each text-to-speech provider."""

    def elevenlabs() -> tts.TTS[Any]:
        from livekit.plugins import elevenlabs

        return elevenlabs.TTS(
            api_key=settings.eleven_api_key.get_secret_value(),
            base_url=_with_path(settings.elevenlabs_base_url, "/v1"),
            voice_id=settings.elevenlabs_voice,
            model=settings.elevenlabs_model,
            language=settings.elevenlabs_language or NOT_GIVEN,
            encoding=f"pcm_{SAMPLE_RATE}",  # type: ignore[arg-type]  # one of its literals
        )

    def local() -> tts.TTS[Any]:
        from worker.speech.tts.local import LocalTTS

        _check_local_speech()
        return LocalTTS()

    return {"elevenlabs": elevenlabs, "local": local}


def llm_chain(settings: Settings) -> ProviderChain[llm.LLM[Any]] | None:
    """Return the chain of language models listed before `scripted`; None if there are none."""
    usable = settings.usable("llm")
    before = usable[: usable.index("scripted")] if "scripted" in usable else usable
    return _chain("llm", settings, before, llm_makers(settings)) if before else None


def llm_makers(settings: ProviderSettings) -> dict[str, Callable[[], llm.LLM[Any]]]:
    """Return a factory for each language model provider."""

    def openai() -> llm.LLM[Any]:
        from livekit.plugins import openai

        return openai.LLM(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            model=settings.openai_model,
            max_completion_tokens=_MOST_TOKENS,
        )

    return {"openai": openai}


def import_plugins(settings: ProviderSettings) -> None:
    """Import the plugins that the chains name.

    This takes about a second, so call it before the fork.
    """
    names = {*settings.usable("stt"), *settings.usable("tts"), *settings.usable("llm")}
    if "deepgram" in names:
        from livekit.plugins import deepgram as deepgram
    if "elevenlabs" in names:
        from livekit.plugins import elevenlabs as elevenlabs
    if "openai" in names:
        from livekit.plugins import openai as openai


def patience_with(settings: ProviderSettings) -> float:
    """Return the seconds of speech without a transcript after which the next provider takes over.

    A long end-pointing setting delays the transcript, which is not a failure. The result is longer
    in that case.
    """
    return max(settings.stt_patience_s, settings.deepgram_endpointing_ms / 1000 + _TEXT_S)


def _chain(
    resource: str, settings: Settings, names: tuple[str, ...], makers: dict[str, Callable[[], E]]
) -> ProviderChain[E]:
    probes = {name: probe_of(settings, name) for name in names}
    return ProviderChain(
        resource,
        [(name, makers[name]) for name in names],
        probes={name: probe for name, probe in probes.items() if probe is not None},
        breaker=provider_breaker(settings),
    )


def probe_of(settings: ProviderSettings, name: str) -> Probe | None:
    """Return the health probe of a provider; None for a local one."""
    if name == "deepgram":
        url = _with_path(settings.deepgram_base_url, "/v1", "/listen")
        return deepgram_probe(url, settings.deepgram_api_key.get_secret_value())
    if name == "elevenlabs":
        url = _with_path(settings.elevenlabs_base_url, "/v1")
        return elevenlabs_probe(url, settings.eleven_api_key.get_secret_value())
    if name == "openai":
        return openai_probe(settings.openai_base_url, settings.openai_api_key.get_secret_value())
    return None


def _check_local_speech() -> None:
    if (reason := local_models.available()) is not None:
        raise local_models.LocalSpeechUnavailable(reason)


def _with_path(url: str, *parts: str) -> str:
    """Return `url` with the path `parts` that the plugin needs. `url` may contain some already."""
    for n in range(len(parts), 0, -1):
        end = "".join(parts[:n])
        if url.endswith(end):
            return url + "".join(parts[n:])
    return url + "".join(parts)
