"""Settings of ElevenLabs, and its declaration as a vendor."""

from __future__ import annotations

from pydantic import Field, SecretStr

from worker.env.group import SettingsGroup
from worker.providers.vendor import Vendor
from worker.speech.tts.voice import Voice


class ElevenLabsSettings(SettingsGroup):
    """Settings of ElevenLabs."""

    eleven_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="ELEVEN_API_KEY")
    """ElevenLabs API key; without it, elevenlabs is not used."""
    elevenlabs_base_url: str = Field(
        default="https://api.elevenlabs.io/v1", validation_alias="ELEVENLABS_BASE_URL"
    )
    """URL of the ElevenLabs API."""
    # The pattern allows only characters that are safe in a URL, because the ID becomes part of one.
    elevenlabs_voice: str = Field(default="hpp4J3VqNfWAUOO0d1Us", pattern=r"^[A-Za-z0-9_-]+$")
    """ID of the ElevenLabs voice."""
    elevenlabs_model: str = Field(default="eleven_turbo_v2_5", min_length=1)
    """ElevenLabs model."""
    elevenlabs_language: str = ""
    """Language of the ElevenLabs voice; if empty, detected from the text."""


def _voice(settings: ElevenLabsSettings) -> Voice:
    return Voice(
        provider="elevenlabs",
        voice=settings.elevenlabs_voice,
        model=settings.elevenlabs_model,
        # The URL is part of the cache key, so that an interview never plays audio of a local test
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
