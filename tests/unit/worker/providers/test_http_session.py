"""The HTTP session of a provider's plugin, with and without a proxy."""

from __future__ import annotations

import os

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.agents.utils import http_context

from worker.providers.http_session import session_for


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies of this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


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
