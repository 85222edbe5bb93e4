"""Settings of speech and language: the fallback chains, and the settings of each vendor.

The vendors' settings are declared in worker/providers/, one package a vendor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from worker.env.group import SettingsGroup
from worker.faults.points import add_members
from worker.providers.registry import VENDORS, settings_of, vendors_of
from worker.providers.vendor import CHAINS
from worker.speech.tts.voice import Voice


def _names_of(chain: str) -> tuple[str, ...]:
    return tuple(vendor.name for vendor in vendors_of(chain))


#: Providers that the speech-to-text chain may name.
STT_PROVIDERS = _names_of("stt")
#: Providers that the text-to-speech chain may name.
TTS_PROVIDERS = _names_of("tts")
#: Providers that the language-model chain may name.
LLM_PROVIDERS = _names_of("llm")

for _chain in CHAINS:
    add_members(_chain, tuple(each.name for each in vendors_of(_chain) if each.has_plugin))

#: Name of the field with the API key, for each provider that needs a key.
KEY_FIELDS = {name: vendor.key for name, vendor in VENDORS.items() if vendor.key is not None}
#: Vendor by the name of the settings field that contains the URL of the vendor's API.
_URL_FIELDS = {vendor.url: vendor for vendor in VENDORS.values() if vendor.url is not None}

Chain = Annotated[tuple[str, ...], NoDecode]


class ChainSettings(SettingsGroup):
    """Settings of the fallback chains: the providers of each chain, first choice first."""

    stt: Chain = Field(
        default=("local",),
        description="Fallback chain for speech to text, first to last choice of "
        f"{', '.join(STT_PROVIDERS)}.",
    )
    tts: Chain = Field(
        default=("local",),
        description="Fallback chain for text to speech, first to last choice of "
        f"{', '.join(TTS_PROVIDERS)}.",
    )
    llm: Chain = Field(
        default=("scripted",),
        description="Fallback chain for the interviewer's words, first to last choice of "
        f"{', '.join(LLM_PROVIDERS)} (scripted: the plan's own words).",
    )


class SttSettings(SettingsGroup):
    """Settings of speech to text, whichever provider transcribes."""

    stt_patience_s: float = Field(default=2.0, gt=0, le=30)
    """Seconds of speech without a transcript before the next provider in the chain takes over."""


class TtsSettings(SettingsGroup):
    """Settings of text to speech, whichever provider speaks."""

    tts_patience_s: float = Field(default=1.0, gt=0, le=30)
    """Seconds to wait for a sentence's first audio before the next provider, if any, speaks it."""
    prepared_speech: bool = True
    """Synthesize the plan's lines ahead of time into the TTS cache in the data folder."""
    speech_cache_mb: int = Field(default=200, ge=1, le=100_000)
    """Maximum size of the TTS cache in MB (1 MB: 20 s of speech); evicts the least recently
    used."""


class LlmSettings(SettingsGroup):
    """Settings of the language model, whichever provider replies."""

    llm_first_word_s: float = Field(default=1.5, gt=0, le=30)
    """Seconds to wait for a language model's first word before the chain falls back."""
    llm_reply_s: float = Field(default=3.0, gt=0, le=30)
    """Seconds to wait for a language model's whole reply before the plan's own words are used."""


if TYPE_CHECKING:
    # The fields of the vendors are not visible here: only a vendor's own modules read them.
    class _Fields(LlmSettings, TtsSettings, SttSettings, ChainSettings): ...
else:
    # pydantic lists the fields of the last base class first.
    _Fields = type(SettingsGroup)(
        "_Fields",
        (
            LlmSettings,
            *reversed(settings_of("llm")),
            TtsSettings,
            *reversed(settings_of("tts")),
            SttSettings,
            *reversed(settings_of("stt")),
            ChainSettings,
        ),
        {"__module__": __name__},
    )


class ProviderSettings(_Fields):
    """Settings of the providers for STT, TTS and the language model, with their parameters."""

    @field_validator(*CHAINS, mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(*CHAINS)
    @classmethod
    def _known(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        known = _names_of(info.field_name)
        if not value:
            raise ValueError(f"names no provider; known are {', '.join(known)}")
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is not known; known are {', '.join(known)}")
        if len(set(value)) < len(value):
            raise ValueError("names a provider twice")
        return value

    @field_validator(*_URL_FIELDS)
    @classmethod
    def _is_url(cls, value: str, info: Any) -> str:
        value = value.strip()
        if not _is_valid(value, _URL_FIELDS[info.field_name].schemes):
            example = cls.model_fields[info.field_name].default
            raise ValueError(f"is no URL; give one like {example}")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _somebody_has_a_key(self) -> ProviderSettings:
        for kind in CHAINS:
            if not self.usable(kind):
                names = getattr(self, kind)
                needed = " or ".join(self._variable(KEY_FIELDS[name]) for name in names)
                variable = self._variable(kind)
                free = next(vendor.name for vendor in vendors_of(kind) if vendor.key is None)
                raise ValueError(
                    f"{variable}={','.join(names)} needs a key: set {needed}, or add {free}"
                )
        return self

    def usable(self, kind: str) -> tuple[str, ...]:
        """Return the providers of the chain `kind` (stt, tts, llm) that have a key or need none."""
        return tuple(name for name in getattr(self, kind) if not self._lacks_key(name))

    def voices(self) -> dict[str, Voice]:
        """Return the voice of each usable provider of the TTS chain, by the provider's name."""
        voices = {name: VENDORS[name].voice for name in self.usable("tts")}
        return {name: voice(self) for name, voice in voices.items() if voice is not None}

    def left_out(self) -> tuple[str, ...]:
        """Return one line of text for each provider that a chain names and that lacks its key."""
        return tuple(
            f"{name} is left out of {self._variable(kind)}: "
            f"{self._variable(KEY_FIELDS[name])} is not set"
            for kind in CHAINS
            for name in getattr(self, kind)
            if self._lacks_key(name)
        )

    def _lacks_key(self, name: str) -> bool:
        field = KEY_FIELDS.get(name)
        return field is not None and not getattr(self, field).get_secret_value().strip()

    @classmethod
    def _variable(cls, field: str) -> str:
        return str(cls.model_fields[field].validation_alias)


def _is_valid(value: str, schemes: tuple[str, ...]) -> bool:
    """Return whether `value` is a URL with a host and one of the schemes."""
    try:
        parts = urlsplit(value)
        named = parts.scheme in schemes and bool(parts.hostname)
        return named and parts.port != 0 and not any(c.isspace() for c in value)
    except ValueError:
        return False
