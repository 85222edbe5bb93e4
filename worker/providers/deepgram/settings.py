"""Settings of Deepgram, and what others must know of Deepgram."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from worker.providers.vendor import Vendor, setting

#: Seconds from the end of a phrase, as Deepgram detects it, to the transcript of that phrase.
_TEXT_S = 1.0


class DeepgramSettings(BaseSettings):
    """Settings of Deepgram."""

    deepgram_api_key: SecretStr = setting(
        "DEEPGRAM_API_KEY",
        SecretStr(""),
        "Deepgram API key; without it, deepgram is not used.",
    )
    deepgram_base_url: str = setting(
        "DEEPGRAM_BASE_URL", "https://api.deepgram.com/v1/listen", "URL of the Deepgram API."
    )
    deepgram_model: str = setting(
        "INTERVIEW_DEEPGRAM_MODEL", "nova-3", "Deepgram model.", min_length=1
    )
    deepgram_language: str = setting(
        "INTERVIEW_DEEPGRAM_LANGUAGE", "en-US", "Language that Deepgram transcribes.", min_length=2
    )
    deepgram_endpointing_ms: int = setting(
        "INTERVIEW_DEEPGRAM_ENDPOINTING_MS",
        300,
        "Milliseconds of silence after which Deepgram ends a phrase.",
        ge=10,
        le=5000,
    )


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
