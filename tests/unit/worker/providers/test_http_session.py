"""The HTTP session of a provider's plugin, with and without a proxy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.agents.utils import http_context
from livekit.plugins import openai

from tests.support.virtual.job_parts import settings_in
from worker.providers.http_session import session_for
from worker.providers.openai.plugin import PLUGIN

if TYPE_CHECKING:
    from pathlib import Path

    from worker.config.settings import Settings


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies of this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def language_model(settings: Settings) -> openai.LLM:
    assert PLUGIN.llm is not None
    model = PLUGIN.llm(settings)
    assert isinstance(model, openai.LLM)
    return model


async def test_without_a_proxy_a_plugin_uses_the_session_of_the_job() -> None:
    assert session_for("https://provider.example") is None


async def test_each_provider_has_the_proxy_for_its_own_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        hosts.append(request.host)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as proxy, http_context.open():
        monkeypatch.setenv("http_proxy", str(proxy.make_url("/")))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        far, near = session_for("ws://provider.invalid"), session_for("http://127.0.0.1")
        assert isinstance(far, aiohttp.ClientSession)
        assert isinstance(near, aiohttp.ClientSession)
        async with far.get("http://provider.invalid/v1"), near.get(proxy.make_url("/here")):
            assert hosts == ["provider.invalid", f"127.0.0.1:{proxy.port}"]
    assert far.closed
    assert near.closed


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_a_proxy_that_is_not_used_does_not_stop_the_language_model(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "socks5://proxy.example:1080")
    settings = settings_in(tmp_path, OPENAI_API_KEY="key")
    await language_model(settings).aclose()


async def test_the_language_model_has_the_proxy_for_its_own_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        hosts.append(request.host)
        return web.json_response({"object": "list", "data": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as proxy:
        monkeypatch.setenv("http_proxy", str(proxy.make_url("/")))
        for url in ("http://provider.invalid/v1", str(proxy.make_url("/v1"))):
            model = language_model(settings_in(tmp_path, OPENAI_API_KEY="key", OPENAI_BASE_URL=url))
            await model._client.models.list()
            await model.aclose()
        assert hosts == ["provider.invalid", f"127.0.0.1:{proxy.port}"]
