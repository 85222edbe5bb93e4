"""The speech models inside the worker: Moonshine for speech to text, Hibari for text to speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.providers.plugin import Plugin
from worker.speech import local_models
from worker.speech.stt.local import LocalSTT
from worker.speech.tts.local import LocalTTS

if TYPE_CHECKING:
    from livekit.agents import stt, tts, vad


def _stt(_: object, detector: vad.VAD | None) -> stt.STT[Any]:
    _check()
    return LocalSTT(vad=detector)


def _tts(_: object) -> tts.TTS[Any]:
    _check()
    return LocalTTS()


def _check() -> None:
    if (reason := local_models.available()) is not None:
        raise local_models.LocalSpeechUnavailable(reason)


PLUGIN = Plugin(stt=_stt, tts=_tts)
