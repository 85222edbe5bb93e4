"""A probe's judgement of answers that another program than the provider may have sent."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from worker.fallback.failure import ProbeFailed
from worker.fallback.probe import http_probe


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[" * 4096, b"\xff", b"[]", b'{"detail": 1}', b'{"detail": {"status": []}}'],
    ids=range(7),
)
async def test_a_refusal_with_any_body_is_a_failed_probe(body: bytes) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401, body=body)

    app = web.Application()
    app.router.add_get("/", refuse)
    async with TestServer(app) as server:
        probe = http_probe(str(server.make_url("/")), {}, no_permission="missing_permissions")
        with pytest.raises(ProbeFailed) as failed:
            await probe()
    assert failed.value.status == 401
