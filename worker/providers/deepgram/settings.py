"""Settings of Deepgram, and its declaration as a vendor."""

from __future__ import annotations

from pydantic import Field, SecretStr

from worker.env.group import SettingsGroup
from worker.providers.languages import language_of, languages
from worker.providers.vendor import OptOut, Vendor

#: Seconds from the end of a phrase, as Deepgram detects it, to the transcript of that phrase.
_TEXT_S = 1.0
#: Value of the language setting with which Deepgram detects the language of each word.
_MULTI = "multi"
#: The languages of `_MULTI`, by the first part of the model's name
#: (developers.deepgram.com/docs/nova-3-language-prompting, and the changelog of 16 July 2024).
_MULTILINGUAL = {
    "nova-3": languages(
        "af ar be bn bs bg ca zh hr cs da nl en et fi fr gl de el gu he hi hu id it ja kn ko lv lt"
        " mk ms mr no fa pl pt ro ru sr sk sl es sv tl ta te th tr uk vi xh zu"
    ),
    "nova-3-medical": languages("nl en fr de hi it ja pt ru es"),
    "nova-2": languages("en es"),
}


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
    deepgram_opt_out: bool = True
    """Ask Deepgram not to use the audio to improve its models (mip_opt_out)."""


def _transcript_s(settings: DeepgramSettings) -> float:
    return settings.deepgram_endpointing_ms / 1000 + _TEXT_S


def _languages(settings: DeepgramSettings) -> frozenset[str] | None:
    if settings.deepgram_language != _MULTI:
        return frozenset({language_of(settings.deepgram_language)})
    model = settings.deepgram_model
    families = [name for name in _MULTILINGUAL if model == name or model.startswith(f"{name}-")]
    return _MULTILINGUAL[max(families, key=len)] if families else None


VENDOR = Vendor(
    name="deepgram",
    chains=("stt",),
    settings=DeepgramSettings,
    key="deepgram_api_key",
    url="deepgram_base_url",
    schemes=("http", "https", "ws", "wss"),
    choices=("deepgram_model", "deepgram_language"),
    languages=_languages,
    opt_out=OptOut(
        field="deepgram_opt_out",
        asks="not to use the audio to improve its models (mip_opt_out)",
    ),
    transcript_s=_transcript_s,
)
