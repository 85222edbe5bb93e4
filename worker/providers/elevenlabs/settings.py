"""Settings of ElevenLabs, and its declaration as a vendor."""

from __future__ import annotations

from pydantic import Field, SecretStr

from worker.env.group import SettingsGroup
from worker.providers.languages import ENGLISH, language_of, languages
from worker.providers.vendor import OptOut, Vendor
from worker.speech.tts.voice import Voice

#: The languages of a model (elevenlabs.io/docs/overview/models).
_MULTILINGUAL_V2 = languages(
    "en ja zh de hi fr ko pt it es id nl tr fil pl sv bg ro ar cs el fi hr ms sk da ta uk ru"
)
_V2_5 = _MULTILINGUAL_V2 | languages("hu no vi")
_LANGUAGES = {
    "eleven_monolingual_v1": ENGLISH,
    "eleven_turbo_v2": ENGLISH,
    "eleven_flash_v2": ENGLISH,
    "eleven_multilingual_v2": _MULTILINGUAL_V2,
    "eleven_turbo_v2_5": _V2_5,
    "eleven_flash_v2_5": _V2_5,
}


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
    elevenlabs_opt_out: bool = True
    """Ask ElevenLabs to keep no texts and no audio (enable_logging=false); enterprise accounts."""


def _voice(settings: ElevenLabsSettings) -> Voice:
    return Voice(
        provider="elevenlabs",
        voice=settings.elevenlabs_voice,
        model=settings.elevenlabs_model,
        # The URL is part of the cache key, so that an interview never plays audio of a local test
        # server.
        settings=(settings.elevenlabs_language, settings.elevenlabs_base_url),
    )


def _languages(settings: ElevenLabsSettings) -> frozenset[str] | None:
    if settings.elevenlabs_language:
        return frozenset({language_of(settings.elevenlabs_language)})
    return _LANGUAGES.get(settings.elevenlabs_model)


VENDOR = Vendor(
    name="elevenlabs",
    chains=("tts",),
    settings=ElevenLabsSettings,
    key="eleven_api_key",
    url="elevenlabs_base_url",
    schemes=("http", "https", "ws", "wss"),
    choices=("elevenlabs_voice", "elevenlabs_model"),
    voice=_voice,
    languages=_languages,
    opt_out=OptOut(
        field="elevenlabs_opt_out",
        asks="to keep no texts and no audio (enable_logging=false)",
    ),
)
