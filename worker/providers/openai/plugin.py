"""OpenAI's language model and health probe, on the LiveKit plugin."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from livekit.agents import NOT_GIVEN, llm
from livekit.plugins import openai
from openai import AsyncClient, DefaultAsyncHttpxClient, Timeout

from worker.env.proxies import any_proxy, proxy_for
from worker.fallback.probe import http_probe
from worker.providers.plugin import Plugin

if TYPE_CHECKING:
    from worker.fallback.probe import Probe
    from worker.providers.openai.settings import OpenAISettings

#: Maximum number of tokens of a language model's reply. The guardrails accept only shorter replies.
_MOST_TOKENS = 120
#: Timeouts in seconds of the client made here, as in the plugin's own client (1.8.9).
_TIMEOUT = Timeout(connect=15.0, read=5.0, write=5.0, pool=5.0)


class _LLM(openai.LLM):
    """The plugin's model.

    Unlike the plugin's class, `_LLM` also closes a client that was passed to the constructor.
    """

    def __init__(self, *, client: AsyncClient | None, **options: Any) -> None:
        super().__init__(client=client, **options)
        self._given = client

    async def aclose(self) -> None:
        await super().aclose()
        if self._given is not None:
            await self._given.close()


def _llm(settings: OpenAISettings) -> llm.LLM[Any]:
    return _LLM(
        client=_client(settings),
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        max_completion_tokens=_MOST_TOKENS,
        # Send `store` here, because the plugin (1.8.9) accepts the parameter and does not send it.
        # Send it only if the settings ask for it, because a server that does not know `store` may
        # refuse the request.
        extra_body={"store": False} if settings.openai_opt_out else NOT_GIVEN,
    )


def _client(settings: OpenAISettings) -> AsyncClient | None:
    """Return a client that uses the proxy for the API's address; None to use the plugin's client.

    The plugin's client is used only if the environment names no proxy. For a variable such as
    ALL_PROXY=socks5://..., the plugin's client raises an ImportError, even if no request would use
    the proxy.
    """
    if not any_proxy():
        return None
    return AsyncClient(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            proxy=proxy_for(settings.openai_base_url),
            trust_env=False,
            # With `trust_env=False` the client ignores SSL_CERT_FILE, which OpenSSL's default
            # context reads.
            verify=ssl.create_default_context(),
            timeout=_TIMEOUT,
        ),
    )


def openai_probe(base_url: str, key: str) -> Probe:
    """Return a probe that lists the models. Source: platform.openai.com/docs/api-reference/models.

    `base_url` is the URL of the API, in the form that the OpenAI client expects.
    """
    return http_probe(f"{base_url}/models", {"Authorization": f"Bearer {key}"})


def _probe(settings: OpenAISettings) -> Probe:
    return openai_probe(settings.openai_base_url, settings.openai_api_key.get_secret_value())


PLUGIN = Plugin(llm=_llm, probe=_probe)
