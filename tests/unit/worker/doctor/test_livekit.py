"""The doctor's findings on a LiveKit server that is unreachable, of another kind, or refuses."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.protocol import agent, models

from tests.support.virtual.job_parts import settings_in
from worker.doctor import livekit
from worker.doctor.context import CheckContext
from worker.doctor.media import check_media

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"


def visit_to(folder: Path, url: str, *, key: str = KEY, secret: str = SECRET) -> CheckContext:
    return CheckContext(
        settings_in(folder, LIVEKIT_URL=url, LIVEKIT_API_KEY=key, LIVEKIT_API_SECRET=secret)
    )


@asynccontextmanager
async def server(answer: web.Response) -> AsyncIterator[str]:
    """Yield the URL of a server that gives this answer to every request."""

    async def handle(_: web.Request) -> web.Response:
        # A response object can be sent only once, so make a new one.
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as running:
        yield str(running.make_url("/")).replace("http", "ws")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", "LIVEKIT_URL is not set"),
        ("livekit.example", "not a LiveKit URL"),
        ("ws://unknown.invalid", "ws://unknown.invalid: host name not found"),
    ],
)
async def test_an_unset_or_invalid_or_unresolvable_url_is_wrong(
    tmp_path: Path, url: str, found: str
) -> None:
    finding = await livekit.check_livekit_url(visit_to(tmp_path, url))
    assert finding.verdict == "wrong"
    assert found in finding.found
    assert "LIVEKIT_URL" in finding.found + finding.advice


async def test_a_server_that_does_not_run_is_wrong(tmp_path: Path) -> None:
    finding = await livekit.check_livekit_url(visit_to(tmp_path, f"ws://127.0.0.1:{free_port()}"))
    assert finding.verdict == "wrong"
    assert finding.found.endswith("connection refused")


async def test_a_wss_url_of_a_server_without_tls_is_wrong(tmp_path: Path) -> None:
    async with server(web.Response()) as url:
        finding = await livekit.check_livekit_url(
            visit_to(tmp_path, url.replace("ws://", "wss://"))
        )
    assert finding.verdict == "wrong"
    assert "no TLS on this port" in finding.found


async def test_a_server_that_connects_is_ok(tmp_path: Path) -> None:
    async with server(web.Response()) as url:
        finding = await livekit.check_livekit_url(visit_to(tmp_path, url))
    assert finding.verdict == "ok"
    assert finding.facts["address"] == "127.0.0.1"


@pytest.mark.parametrize(("ahead_s", "verdict"), [(0, "ok"), (30, "warning"), (-300, "wrong")])
async def test_the_clock_is_compared_with_the_servers(
    tmp_path: Path, ahead_s: float, verdict: str
) -> None:
    date = formatdate(time.time() - ahead_s, usegmt=True)
    async with server(web.Response(headers={"Date": date})) as url:
        finding = await livekit.check_clock(visit_to(tmp_path, url))
    assert finding.verdict == verdict


async def test_a_server_without_a_usable_date_header_is_a_warning(tmp_path: Path) -> None:
    async with server(web.Response(headers={"Date": "soon"})) as url:
        finding = await livekit.check_clock(visit_to(tmp_path, url))
    assert finding.verdict == "warning"


async def test_a_refused_key_is_wrong_and_shows_no_secret(tmp_path: Path) -> None:
    refusal = web.json_response({"code": "unauthenticated", "msg": "no"}, status=401)
    async with server(refusal) as url:
        finding = await livekit.check_key(visit_to(tmp_path, url))
    assert (finding.verdict, finding.found) == ("wrong", "the server refused the key")
    assert SECRET not in finding.found + finding.advice


async def test_an_unset_key_is_named(tmp_path: Path) -> None:
    finding = await livekit.check_key(visit_to(tmp_path, "ws://h", key="", secret=""))
    assert finding.found == "LIVEKIT_API_KEY and LIVEKIT_API_SECRET not set"


async def test_a_server_that_accepts_no_workers_is_wrong(tmp_path: Path) -> None:
    async with server(web.Response(status=404)) as url:
        finding = await livekit.check_registration(visit_to(tmp_path, url))
    assert (finding.verdict, finding.found) == ("wrong", "the server refuses workers (HTTP 404)")


async def test_the_registration_check_reports_the_server_version_and_takes_no_jobs(
    tmp_path: Path,
) -> None:
    names: list[str] = []

    async def register(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        asked = agent.WorkerMessage.FromString(await line.receive_bytes())
        names.append(asked.register.agent_name)
        info = models.ServerInfo(version="1.2.3", region="here")
        answer = agent.ServerMessage(
            register=agent.RegisterWorkerResponse(worker_id="AW_1", server_info=info)
        )
        await line.send_bytes(answer.SerializeToString())
        await line.receive()
        return line

    app = web.Application()
    app.router.add_get("/agent", register)
    async with TestServer(app) as running:
        finding = await livekit.check_registration(visit_to(tmp_path, str(running.make_url("/"))))
    assert finding.found == "accepts workers; LiveKit 1.2.3, region here"
    assert names[0].startswith("doctor-")


async def test_a_registration_that_is_answered_by_another_program_is_wrong(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        await line.receive()
        await line.send_bytes(b"<html>")
        return line

    app = web.Application()
    app.router.add_get("/agent", answer)
    async with TestServer(app) as running:
        finding = await livekit.check_registration(visit_to(tmp_path, str(running.make_url("/"))))
    assert finding.verdict == "wrong"
    assert finding.found == "the server refuses workers (DecodeError)"


async def test_a_refused_room_creation_is_wrong(tmp_path: Path) -> None:
    refusal = web.json_response({"code": "permission_denied", "msg": "no"}, status=403)
    async with server(refusal) as url, visit_to(tmp_path, url) as visit:
        finding = await check_media(visit)
    assert finding.verdict == "wrong"
    assert "cannot create a room" in finding.found
