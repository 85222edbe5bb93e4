"""Settings of Deepgram, and its declaration as a vendor."""

from __future__ import annotations

from pydantic import Field, SecretStr

from worker.env.group import SettingsGroup
from worker.providers.vendor import Vendor

#: Seconds from the end of a phrase, as Deepgram detects it, to the transcript of that phrase.
_TEXT_S = 1.0


class DeepgramSettings(SettingsGroup):
    """Settings of Deepgram."""

    deepgram_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="DEEPGRAM_API_KEY")
    """Deepgram API key; without it, deepgram is not used."""
    deepgram_base_url: str = Field(
        default="https://api.deepgram.com/v1/listen", validation_alias="DEEPGRAM_BASE_URL"
    )
    """URL of the Deepgram API."""
    deepgram_model: str = Field(default="nova-3", min_length=1)
    """Deepgram model."""
    deepgram_language: str = Field(default="en-US", min_length=2)
    """Language that Deepgram transcribes."""
    deepgram_endpointing_ms: int = Field(default=300, ge=10, le=5000)
    """Milliseconds of silence after which Deepgram ends a phrase."""


def _transcript_s(settings: DeepgramSettings) -> float:
    return settings.deepgram_endpointing_ms / 1000 + _TEXT_S


VENDOR = Vendor(
    name="deepgram",
    chains=("stt",),
    settings=DeepgramSettings,
    key="deepgram_api_key",
    url="deepgram_base_url",
    schemes=("http", "https", "ws", "wss"),
    choices=("deepgram_model", "deepgram_language"),
    transcript_s=_transcript_s,
)
