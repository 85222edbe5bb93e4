"""ElevenLabs' text to speech and health probe, on the LiveKit plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livekit.agents import NOT_GIVEN, tts
from livekit.plugins import elevenlabs

from worker.fallback.probe import http_probe
from worker.providers.http_session import session_for
from worker.providers.plugin import Plugin, with_path
from worker.speech.tts.cache_files import SAMPLE_RATE

if TYPE_CHECKING:
    from worker.fallback.probe import Probe
    from worker.providers.elevenlabs.settings import ElevenLabsSettings

#: The `detail.status` of a 401 that ElevenLabs sends for a valid key that may not read the account.
_NO_PERMISSION = "missing_permissions"


def _tts(settings: ElevenLabsSettings) -> tts.TTS[Any]:
    return elevenlabs.TTS(
        api_key=settings.eleven_api_key.get_secret_value(),
        base_url=with_path(settings.elevenlabs_base_url, "/v1"),
        voice_id=settings.elevenlabs_voice,
        model=settings.elevenlabs_model,
        language=settings.elevenlabs_language or NOT_GIVEN,
        enable_logging=not settings.elevenlabs_opt_out,
        encoding=f"pcm_{SAMPLE_RATE}",  # type: ignore[arg-type]  # one of its literals
        http_session=session_for(settings.elevenlabs_base_url),
    )


def elevenlabs_probe(base_url: str, key: str) -> Probe:
    """Return a probe that reads the account.

    Source: elevenlabs.io/docs/api-reference/user/get.
    """
    url = f"{with_path(base_url, '/v1')}/user"
    return http_probe(url, {"xi-api-key": key}, no_permission=_NO_PERMISSION)


def _probe(settings: ElevenLabsSettings) -> Probe:
    return elevenlabs_probe(
        settings.elevenlabs_base_url, settings.eleven_api_key.get_secret_value()
    )


PLUGIN = Plugin(tts=_tts, probe=_probe)
