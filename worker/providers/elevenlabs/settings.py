"""Settings of ElevenLabs, and what others must know of ElevenLabs."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from worker.providers.vendor import Vendor, setting
from worker.speech.tts.voice import Voice


class ElevenLabsSettings(BaseSettings):
    """Settings of ElevenLabs."""

    eleven_api_key: SecretStr = setting(
        "ELEVEN_API_KEY",
        SecretStr(""),
        "ElevenLabs API key; without it, elevenlabs is not used.",
    )
    elevenlabs_base_url: str = setting(
        "ELEVENLABS_BASE_URL", "https://api.elevenlabs.io/v1", "URL of the ElevenLabs API."
    )
    elevenlabs_voice: str = setting(
        "INTERVIEW_ELEVENLABS_VOICE",
        "hpp4J3VqNfWAUOO0d1Us",
        "ID of the ElevenLabs voice.",
        pattern=r"^[A-Za-z0-9_-]+$",  # the id becomes part of a URL
    )
    elevenlabs_model: str = setting(
        "INTERVIEW_ELEVENLABS_MODEL", "eleven_turbo_v2_5", "ElevenLabs model.", min_length=1
    )
    elevenlabs_language: str = setting(
        "INTERVIEW_ELEVENLABS_LANGUAGE",
        "",
        "Language of the ElevenLabs voice; if empty, detected from the text.",
    )


def _voice(settings: ElevenLabsSettings) -> Voice:
    return Voice(
        provider="elevenlabs",
        voice=settings.elevenlabs_voice,
        model=settings.elevenlabs_model,
        # The URL belongs to the key, so that an interview never plays the audio of a local test
        # server.
        settings=(settings.elevenlabs_language, settings.elevenlabs_base_url),
    )


VENDOR = Vendor(
    name="elevenlabs",
    chains=("tts",),
    settings=ElevenLabsSettings,
    key="eleven_api_key",
    url="elevenlabs_base_url",
    schemes=("http", "https", "ws", "wss"),
    choices=("elevenlabs_voice", "elevenlabs_model"),
    voice=_voice,
)
