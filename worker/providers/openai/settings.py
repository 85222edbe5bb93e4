"""Settings of OpenAI, and what others must know of OpenAI."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from worker.providers.vendor import Vendor, setting


class OpenAISettings(BaseSettings):
    """Settings of OpenAI, or of a compatible server."""

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


VENDOR = Vendor(
    name="openai",
    chains=("llm",),
    settings=OpenAISettings,
    key="openai_api_key",
    url="openai_base_url",
    choices=("openai_model",),
    quoting=("openai",),
)
