"""OpenAI's language model and health probe, on the LiveKit plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livekit.agents import NOT_GIVEN, llm
from livekit.plugins import openai

from worker.fallback.probe import http_probe
from worker.providers.plugin import Plugin

if TYPE_CHECKING:
    from worker.fallback.probe import Probe
    from worker.providers.openai.settings import OpenAISettings

#: Maximum tokens of a language model's reply. Every reply that passes the guardrails is shorter.
_MOST_TOKENS = 120


def _llm(settings: OpenAISettings) -> llm.LLM[Any]:
    return openai.LLM(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        max_completion_tokens=_MOST_TOKENS,
        # The plugin (1.8.9) takes `store` and does not send it. Servers that do not know the
        # parameter may refuse it, so it is sent only if it is asked for.
        extra_body={"store": False} if settings.openai_opt_out else NOT_GIVEN,
    )


def openai_probe(base_url: str, key: str) -> Probe:
    """Return a probe that lists the models. Source: platform.openai.com/docs/api-reference/models.

    `base_url` is the URL of the API, as the OpenAI client takes it.
    """
    return http_probe(f"{base_url}/models", {"Authorization": f"Bearer {key}"})


def _probe(settings: OpenAISettings) -> Probe:
    return openai_probe(settings.openai_base_url, settings.openai_api_key.get_secret_value())


PLUGIN = Plugin(llm=_llm, probe=_probe)
