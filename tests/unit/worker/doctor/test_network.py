"""The doctor's findings on files of settings and secrets, proxies, probes, and the public URL."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.virtual.job_parts import settings_in
from worker.doctor import livekit, network
from worker.doctor.context import CheckContext
from worker.telemetry.http import ProbeServer
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "of-sixteen-chars"
PROXY = "http://user:hunter2@proxy.example:3128"
KEY = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret of more than 32 characters"}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove this machine's proxies and secrets, and work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_FILE"):
            monkeypatch.delenv(name)


def visit(folder: Path, **variables: str) -> CheckContext:
    return CheckContext(settings_in(folder, **variables))


def failing(status: int) -> web.Application:
    """Return a server that answers every request with one status."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


# --- files ------------------------------------------------------------------------------------


async def test_without_a_file_of_settings_nothing_is_to_be_done(tmp_path: Path) -> None:
    assert (await network.check_env_file(visit(tmp_path))).verdict == "ok"


async def test_a_file_that_is_passed_over_is_a_warning_with_the_option(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    finding = await network.check_env_file(visit(tmp_path))
    assert finding.verdict == "warning"
    assert "--env-file .env" in finding.advice


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, "ok"), (0o664, "ok"), (0o666, "warning")])
async def test_a_file_of_settings_that_every_user_can_change_is_a_warning(
    mode: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("INTERVIEW_SLOTS=3\n")
    (tmp_path / ".env").chmod(mode)
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    assert (await network.check_env_file(visit(tmp_path))).verdict == verdict


@pytest.mark.parametrize(("mode", "verdict"), [(0o400, "ok"), (0o644, "ok"), (0o606, "warning")])
async def test_a_secrets_file_that_every_user_can_change_is_a_warning(
    mode: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("hunter2")
    monkeypatch.setenv("LIVEKIT_API_SECRET_FILE", str(tmp_path / "secret"))
    context = visit(tmp_path)
    (tmp_path / "secret").chmod(mode)
    finding = await network.check_secrets(context)
    assert finding.verdict == verdict
    assert finding.facts["files"] == ["LIVEKIT_API_SECRET_FILE"]
    assert "hunter2" not in finding.found + finding.advice


# --- proxies ----------------------------------------------------------------------------------


def test_without_a_proxy_nothing_is_named(tmp_path: Path) -> None:
    finding = network.judge_proxy(settings_in(tmp_path))
    assert (finding.verdict, finding.facts["proxied"]) == ("ok", [])


def test_what_a_proxy_carries_is_named_and_what_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "speech.internal")
    settings = settings_in(
        tmp_path,
        LIVEKIT_URL="wss://livekit.example",
        INTERVIEW_STT="deepgram,local",
        DEEPGRAM_API_KEY="key",
        DEEPGRAM_BASE_URL="https://speech.internal",
        OPENAI_BASE_URL="https://not-used.example",
    )
    finding = network.judge_proxy(settings)
    assert finding.verdict == "ok"
    assert finding.facts == {"proxied": ["LIVEKIT_URL"], "direct": ["DEEPGRAM_BASE_URL"]}
    assert "sound to and from LiveKit" in finding.found
    assert "hunter2" not in finding.found


def test_a_proxy_that_is_not_used_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    finding = network.judge_proxy(settings_in(tmp_path))
    assert finding.verdict == "warning"
    assert "HTTPS_PROXY" in finding.found


def test_a_proxy_for_everything_is_a_warning_because_it_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    finding = network.judge_proxy(settings_in(tmp_path))
    assert finding.verdict == "warning"
    assert "ALL_PROXY" in finding.found


@pytest.mark.parametrize(
    ("url", "proxy", "verdict", "why"),
    [
        ("wss://livekit.example", "https://proxy.example:3128", "wrong", "no TLS to a proxy"),
        ("wss://livekit.example", "http://me:hunter%40@proxy.example", "wrong", "the password"),
        ("ws://livekit.example:7880", PROXY, "warning", "unencrypted WebSocket"),
        ("wss://livekit.example", PROXY, "ok", "always direct"),
    ],
)
def test_what_livekits_client_cannot_send_through_the_proxy_is_named(
    url: str,
    proxy: str,
    verdict: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    finding = network.judge_proxy(settings_in(tmp_path, LIVEKIT_URL=url))
    assert finding.verdict == verdict
    assert why in finding.found
    assert "hunter" not in finding.found + finding.advice


async def test_a_proxy_that_forwards_no_upgrade_is_the_reason_why_no_worker_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TestServer(failing(404)) as proxy:
        monkeypatch.setenv("http_proxy", str(proxy.make_url("/")))
        context = visit(tmp_path, LIVEKIT_URL="ws://livekit.invalid:7880", **KEY)
        finding = await livekit.check_registration(context)
    assert finding.verdict == "wrong"
    assert "HTTP 404" in finding.found
    assert "wss://" in finding.advice


@pytest.mark.parametrize(("status", "advice"), [(403, "CONNECT"), (407, "HTTPS_PROXY")])
async def test_a_proxy_that_refuses_the_registration_is_not_called_the_server(
    status: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        host, port = proxy.sockets[0].getsockname()
        monkeypatch.setenv("https_proxy", f"http://{host}:{port}")
        context = visit(tmp_path, LIVEKIT_URL="wss://livekit.invalid", **KEY)
        finding = await livekit.check_registration(context)
    assert finding.verdict == "wrong"
    assert "the proxy refuses" in finding.found
    assert advice in finding.advice


async def test_livekit_is_reached_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Host"])
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as proxy:
        monkeypatch.setenv("http_proxy", str(proxy.make_url("/")))
        context = visit(tmp_path, LIVEKIT_URL="ws://livekit.invalid:7880")
        finding = await livekit.check_livekit_url(context)
    assert (finding.verdict, asked) == ("ok", ["livekit.invalid:7880"])
    assert finding.facts["proxied"] is True


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_that_does_not_reach_livekit_is_no_answer(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TestServer(failing(status)) as proxy:
        monkeypatch.setenv("http_proxy", str(proxy.make_url("/")))
        context = visit(tmp_path, LIVEKIT_URL="ws://livekit.invalid:7880")
        finding = await livekit.check_livekit_url(context)
    assert finding.verdict == "wrong"
    assert f"HTTP {status}" in finding.found


async def test_a_proxy_that_does_not_answer_is_named_as_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    context = visit(tmp_path, LIVEKIT_URL="ws://livekit.invalid:7880")
    finding = await livekit.check_livekit_url(context)
    assert finding.verdict == "wrong"
    assert "the proxy cannot be reached" in finding.found


# --- probes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "need no token"),
        ({"INTERVIEW_HTTP_TOKEN": TOKEN}, "INTERVIEW_HTTP_PROBE_PORT"),
        ({"INTERVIEW_HTTP_TOKEN": TOKEN, "INTERVIEW_HTTP_PROBE_PORT": "8082"}, "127.0.0.1:8082"),
        (
            {"INTERVIEW_HTTP_PROBE_PORT": "8082", "INTERVIEW_HTTP_PROBE_HOST": "192.0.2.1"},
            "all other pages are on 127.0.0.1 alone",
        ),
    ],
)
def test_the_address_of_the_probes_is_named(
    variables: dict[str, str], words: str, tmp_path: Path
) -> None:
    finding = network.judge_probes(settings_in(tmp_path, **variables))
    assert finding.verdict == "ok"
    assert words in finding.found
    assert TOKEN not in finding.found


async def test_a_port_of_the_probes_that_another_program_uses_is_wrong(tmp_path: Path) -> None:
    async with TestServer(web.Application()) as other:
        context = visit(tmp_path, INTERVIEW_HTTP_PROBE_PORT=str(other.port))
        finding = await network.check_probes(context)
    assert finding.verdict == "wrong"
    assert "INTERVIEW_HTTP_PROBE_PORT" in finding.advice


async def test_a_port_of_the_probes_that_a_worker_uses_is_right(tmp_path: Path) -> None:
    server = ProbeServer(Observer(tmp_path, version="1"), WorkerStatus)
    port = await server.start("127.0.0.1", 0)
    try:
        context = visit(tmp_path, INTERVIEW_HTTP_PROBE_PORT=str(port))
        assert (await network.check_probes(context)).verdict == "ok"
    finally:
        await server.aclose()


# --- the address for candidates ---------------------------------------------------------------


async def test_without_a_public_url_candidates_get_that_of_the_worker(tmp_path: Path) -> None:
    finding = await network.check_public_url(visit(tmp_path, LIVEKIT_URL="ws://livekit:7880"))
    assert finding.verdict == "ok"
    assert "LIVEKIT_URL" in finding.found


async def test_a_public_url_without_encryption_is_a_warning(tmp_path: Path) -> None:
    context = visit(tmp_path, INTERVIEW_LIVEKIT_PUBLIC_URL="ws://livekit.example")
    finding = await network.check_public_url(context)
    assert finding.verdict == "warning"
    assert "wss://" in finding.advice


async def test_a_public_url_that_answers_is_right_and_one_that_does_not_a_warning(
    tmp_path: Path,
) -> None:
    async with TestServer(web.Application()) as server:
        url = str(server.make_url("/")).replace("http", "ws", 1)
        context = visit(tmp_path, INTERVIEW_LIVEKIT_PUBLIC_URL=url)
        assert (await network.check_public_url(context)).verdict == "ok"
    finding = await network.check_public_url(context)
    assert finding.verdict == "warning"
    assert "INTERVIEW_LIVEKIT_PUBLIC_URL" in finding.advice


async def test_a_load_balancer_without_a_server_does_not_answer_for_livekit(tmp_path: Path) -> None:
    async with TestServer(failing(503)) as server:
        url = str(server.make_url("/")).replace("http", "ws", 1)
        context = visit(tmp_path, INTERVIEW_LIVEKIT_PUBLIC_URL=url)
        finding = await network.check_public_url(context)
    assert finding.verdict == "warning"
    assert "HTTP 503" in finding.found
