"""Settings of speech and language: the fallback chains, and the parameters of each provider."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from worker.faults.points import add_members

#: Providers that each fallback chain may name.
STT_PROVIDERS = ("deepgram", "local")
TTS_PROVIDERS = ("elevenlabs", "local")
LLM_PROVIDERS = ("openai", "scripted")

add_members("stt", STT_PROVIDERS)
add_members("tts", TTS_PROVIDERS)
# `scripted`, the plan's own words, is not a provider and therefore has no injection point.
add_members("llm", tuple(name for name in LLM_PROVIDERS if name != "scripted"))

#: Name of the field with the API key, for each provider that needs a key.
KEY_FIELDS = {
    "deepgram": "deepgram_api_key",
    "elevenlabs": "eleven_api_key",
    "openai": "openai_api_key",
}

Chain = Annotated[tuple[str, ...], NoDecode]


def setting(variable: str, default: Any, help_line: str, **bounds: Any) -> Any:
    """Declare a setting: its environment variable, default, one line of help, and bounds."""
    return Field(default=default, validation_alias=variable, description=help_line, **bounds)


class ProviderSettings(BaseSettings):
    """Settings of the providers for STT, TTS and the language model, with their parameters."""

    stt: Chain = setting(
        "INTERVIEW_STT",
        ("local",),
        f"Fallback chain for speech to text, first to last choice of {', '.join(STT_PROVIDERS)}.",
    )
    tts: Chain = setting(
        "INTERVIEW_TTS",
        ("local",),
        f"Fallback chain for text to speech, first to last choice of {', '.join(TTS_PROVIDERS)}.",
    )
    llm: Chain = setting(
        "INTERVIEW_LLM",
        ("scripted",),
        f"Fallback chain for the interviewer's words, first to last choice of "
        f"{', '.join(LLM_PROVIDERS)} (scripted: the plan's own words).",
    )
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
    stt_patience_s: float = setting(
        "INTERVIEW_STT_PATIENCE_S",
        2.0,
        "Seconds of speech without a transcript before the next provider in the chain takes over.",
        gt=0,
        le=30,
    )
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
    tts_patience_s: float = setting(
        "INTERVIEW_TTS_PATIENCE_S",
        1.0,
        "Seconds to wait for a sentence's first audio before the next provider, if any, speaks it.",
        gt=0,
        le=30,
    )
    prepared_speech: bool = setting(
        "INTERVIEW_PREPARED_SPEECH",
        True,
        "Synthesize the plan's lines ahead of time into the TTS cache in the data folder.",
    )
    speech_cache_mb: int = setting(
        "INTERVIEW_SPEECH_CACHE_MB",
        200,
        "Maximum size of the TTS cache in MB (1 MB: 20 s of speech); evicts the least recently "
        "used.",
        ge=1,
        le=100_000,
    )
    openai_api_key: SecretStr = setting(
        "OPENAI_API_KEY",
        SecretStr(""),
        "OpenAI API key; without it, openai is not used.",
    )
    openai_base_url: str = setting(
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
        "URL of OpenAI or a compatible server.",
    )
    openai_model: str = setting(
        "INTERVIEW_OPENAI_MODEL", "gpt-4.1-mini", "Name of the language model.", min_length=1
    )
    llm_first_word_s: float = setting(
        "INTERVIEW_LLM_FIRST_WORD_S",
        1.5,
        "Seconds to wait for a language model's first word before the chain falls back.",
        gt=0,
        le=30,
    )
    llm_reply_s: float = setting(
        "INTERVIEW_LLM_REPLY_S",
        3.0,
        "Seconds to wait for a language model's whole reply before the plan's own words are used.",
        gt=0,
        le=30,
    )

    @field_validator("stt", "tts", "llm", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("stt", "tts", "llm")
    @classmethod
    def _known(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        known = {"stt": STT_PROVIDERS, "tts": TTS_PROVIDERS, "llm": LLM_PROVIDERS}[info.field_name]
        if not value:
            raise ValueError(f"names no provider; known are {', '.join(known)}")
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is not known; known are {', '.join(known)}")
        if len(set(value)) < len(value):
            raise ValueError("names a provider twice")
        return value

    @field_validator("deepgram_base_url", "elevenlabs_base_url", "openai_base_url")
    @classmethod
    def _is_url(cls, value: str, info: Any) -> str:
        example = cls.model_fields[info.field_name].default
        try:
            parts = urlsplit(value)
            schemes = ("http", "https") + (
                ("ws", "wss") if info.field_name != "openai_base_url" else ()
            )
            good = parts.scheme in schemes and bool(parts.hostname)
            good = good and parts.port != 0 and not any(c.isspace() for c in value)
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"is no URL; give one like {example}")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _somebody_has_a_key(self) -> ProviderSettings:
        for kind in ("stt", "tts", "llm"):
            if not self.usable(kind):
                names = getattr(self, kind)
                needed = " or ".join(self._variable(KEY_FIELDS[name]) for name in names)
                variable = self._variable(kind)
                last = "scripted" if kind == "llm" else "local"
                raise ValueError(
                    f"{variable}={','.join(names)} needs a key: set {needed}, or add {last}"
                )
        return self

    def usable(self, kind: str) -> tuple[str, ...]:
        """Return the providers of the chain `kind` (stt, tts, llm) that have a key or need none."""
        return tuple(name for name in getattr(self, kind) if not self._lacks_key(name))

    def left_out(self) -> tuple[str, ...]:
        """Return one line of text for each provider that a chain names and that lacks its key."""
        return tuple(
            f"{name} is left out of {self._variable(kind)}: "
            f"{self._variable(KEY_FIELDS[name])} is not set"
            for kind in ("stt", "tts", "llm")
            for name in getattr(self, kind)
            if self._lacks_key(name)
        )

    def _lacks_key(self, name: str) -> bool:
        field = KEY_FIELDS.get(name)
        return field is not None and not getattr(self, field).get_secret_value().strip()

    @classmethod
    def _variable(cls, field: str) -> str:
        return str(cls.model_fields[field].validation_alias)
