"""Settings of OpenAI, and its declaration as a vendor."""

from __future__ import annotations

from pydantic import Field, SecretStr

from worker.env.group import SettingsGroup
from worker.providers.vendor import OptOut, Vendor


class OpenAISettings(SettingsGroup):
    """Settings of OpenAI, or of a compatible server."""

    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    """OpenAI API key; without it, openai is not used."""
    openai_base_url: str = Field(
        default="https://api.openai.com/v1", validation_alias="OPENAI_BASE_URL"
    )
    """URL of OpenAI or a compatible server."""
    openai_model: str = Field(default="gpt-4.1-mini", min_length=1)
    """Name of the language model."""
    openai_opt_out: bool = True
    """Ask OpenAI not to store the conversation (store=false)."""


VENDOR = Vendor(
    name="openai",
    chains=("llm",),
    settings=OpenAISettings,
    key="openai_api_key",
    url="openai_base_url",
    choices=("openai_model",),
    quoting=("openai",),
    opt_out=OptOut(
        field="openai_opt_out",
        asks="not to store the conversation (store=false)",
    ),
)
