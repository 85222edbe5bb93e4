"""The worker's HTTP server: probes, metrics and jobs; and the command that queries it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from typer.testing import CliRunner

from tests.support.virtual.job_parts import settings_in
from tests.support.virtual.journal_parts import START, write
from worker.cli.app import app
from worker.env.group import SettingsInvalid
from worker.telemetry.http import ProbeServer, TelemetryServer
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READY = WorkerStatus(started=True, slots=4, slots_used=1)
#: A token of the least length.
TOKEN = "of-sixteen-chars"
WAITING = WorkerStatus(
    waiting_on=(("livekit", "this worker is not registered with LiveKit"), ("disk", "it is full")),
    without=("database",),
)


class Served:
    """A running server and its answers."""

    def __init__(self, folder: Path, *, token: str = "") -> None:
        self.status = READY
        self.observer = Observer(folder, version="1.2.3")
        self.server = TelemetryServer(self.observer, lambda: self.status, token=token)
        self.port = 0

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer,
        ):
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text


@asynccontextmanager
async def served(folder: Path, **options: Any) -> AsyncIterator[Served]:
    one = Served(folder, **options)
    one.port = await one.server.start("127.0.0.1", 0)
    try:
        yield one
    finally:
        await one.server.aclose()


@pytest.mark.row("S13")
async def test_a_worker_that_takes_jobs_is_ready_started_and_alive(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        for path in ("/readyz", "/startupz", "/livez", "/healthz"):
            assert (await here.get(path))[0] == 200
        assert (await here.get("/readyz"))[1]["waiting_on"] == []


@pytest.mark.row("S13")
async def test_a_waiting_worker_names_its_unmet_dependencies(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.status = WAITING
        status, answer = await here.get("/readyz")
        assert (status, answer["waiting_on"]) == (503, ["livekit", "disk"])
        assert "it is full" in answer["why"]
        assert answer["without"] == ["database"]
        assert (await here.get("/startupz"))[0] == 503
        assert (await here.get("/livez"))[0] == 200
        page = (await here.get("/metrics"))[1]
        assert "interview_worker_ready 0.0" in page
        assert 'interview_worker_waiting_on{what="disk"} 1.0' in page


async def test_a_draining_worker_is_not_ready_but_started(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.status = WorkerStatus(started=True, draining=True)
        assert (await here.get("/readyz"))[0] == 503
        assert (await here.get("/startupz"))[0] == 200


async def test_jobs_are_listed_and_shown_individually(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.observer.job_given("AJ_1", "room-1")
        write(tmp_path / "AJ_1.jsonl", START)
        await here.observer.follower.look()
        _, listed = await here.get("/jobs")
        assert [job["job_id"] for job in listed["jobs"]] == ["AJ_1"]
        assert (await here.get("/jobs/AJ_1"))[1]["state"] == "RUNNING"
        assert await here.get("/jobs/AJ_2") == (404, {"error": "no such job in this worker"})
        assert (await here.get("/nothing"))[0] == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/jobs"])
async def test_with_a_token_set_requests_without_it_are_refused(tmp_path: Path, path: str) -> None:
    async with served(tmp_path, token=TOKEN) as here:
        assert (await here.get(path))[0] == 401
        assert (await here.get(path, Authorization="Bearer other"))[0] == 401
        assert (await here.get(path, Authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_a_token_that_is_not_text_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, token=TOKEN) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"GET /livez HTTP/1.0\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
        assert b" 401 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "interviews.example"])  # noqa: S104
def test_a_host_beyond_loopback_needs_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsInvalid, match="INTERVIEW_HTTP_TOKEN"):
        settings_in(tmp_path, INTERVIEW_HTTP_HOST=host)
    settings_in(tmp_path, INTERVIEW_HTTP_HOST=host, INTERVIEW_HTTP_TOKEN=TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_a_loopback_host_needs_no_token(tmp_path: Path, host: str) -> None:
    settings_in(tmp_path, INTERVIEW_HTTP_HOST=host)


# --- the health command --------------------------------------------------------------------------


async def health(port: int, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the command, and return its exit code and output."""
    variables = {"INTERVIEW_HTTP_PORT": str(port), **environment}
    runner = CliRunner()
    result = await asyncio.to_thread(runner.invoke, app, ["health", *arguments], env=variables)
    return result.exit_code, result.output


async def test_health_of_a_ready_worker_prints_one_line_and_exits_0(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        assert await health(here.port) == (0, "ready: 1 of 4 slots in use\n")
        assert await health(here.port, "live") == (0, "alive\n")
        code, text = await health(here.port, "started", "--json")
        assert (code, json.loads(text)["started"]) == (0, True)


async def test_health_of_a_waiting_worker_names_the_unmet_dependencies_and_exits_5(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as here:
        here.status = WAITING
        assert await health(here.port) == (5, "not ready: waiting on livekit, disk\n")
        assert (await health(here.port, "live"))[0] == 0


async def test_health_without_a_worker_says_what_to_do(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        port = here.port
    code, text = await health(port)
    assert code == 5
    assert "no worker answers" in text
    assert "INTERVIEW_HTTP_PORT" in text


async def test_health_without_the_token_names_the_setting(tmp_path: Path) -> None:
    async with served(tmp_path, token=TOKEN) as here:
        code, text = await health(here.port)
        assert (code, "INTERVIEW_HTTP_TOKEN" in text) == (2, True)
        assert (await health(here.port, INTERVIEW_HTTP_TOKEN=TOKEN))[0] == 0


async def test_health_with_port_0_is_refused() -> None:
    code, text = await health(0)
    assert (code, "the worker's log" in text) == (2, True)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ],
)
async def test_health_of_another_server_fails_in_one_line(reply: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        code, text = await health(server.sockets[0].getsockname()[1])
    assert code == 1
    assert "not an interview-worker" in text or "not from an interview-worker" in text
    assert len(text.splitlines()) == 1


# --- the server of the probes ---------------------------------------------------------------------


@asynccontextmanager
async def probed(folder: Path, status: WorkerStatus) -> AsyncIterator[tuple[ProbeServer, int]]:
    server = ProbeServer(Observer(folder, version="1"), lambda: status)
    port = await server.start("127.0.0.1", 0)
    try:
        yield server, port
    finally:
        await server.aclose()


async def fetched(port: int, path: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.json()


async def test_the_probes_are_answered_without_a_token(tmp_path: Path) -> None:
    async with probed(tmp_path, READY) as (_, port):
        assert await fetched(port, "/healthz") == (200, {"alive": True})
        assert await fetched(port, "/livez") == (200, {"alive": True})
        ready = {"ready": True, "waiting_on": [], "draining": False}
        assert await fetched(port, "/readyz") == (200, ready)
        assert await fetched(port, "/startupz") == (200, {"started": True} | ready)


async def test_the_server_of_the_probes_tells_no_reason_and_no_number(tmp_path: Path) -> None:
    async with probed(tmp_path, WAITING) as (_, port):
        status, answer = await fetched(port, "/readyz")
        assert (status, answer) == (
            503,
            {"ready": False, "waiting_on": ["livekit", "disk"], "draining": False},
        )


@pytest.mark.parametrize("path", ["/metrics", "/jobs", "/jobs/AJ_1", "/livekit/webhook", "/"])
async def test_the_server_of_the_probes_has_no_other_page(path: str, tmp_path: Path) -> None:
    async with probed(tmp_path, READY) as (_, port):
        assert (await fetched(port, path))[0] == 404


async def test_health_asks_the_server_of_the_probes_without_a_token(tmp_path: Path) -> None:
    async with probed(tmp_path, READY) as (_, port):
        variables = {"INTERVIEW_HTTP_PROBE_PORT": str(port)}
        assert await health(1, **variables) == (0, "ready\n")
        assert await health(1, "live", **variables) == (0, "alive\n")
    async with probed(tmp_path, WorkerStatus(started=True, draining=True)) as (_, port):
        variables = {"INTERVIEW_HTTP_PROBE_PORT": str(port)}
        assert await health(1, **variables) == (5, "draining: no new interviews\n")


async def test_a_new_token_is_required_from_the_next_request_on(tmp_path: Path) -> None:
    async with served(tmp_path, token=TOKEN) as here:
        here.server.use_token(TOKEN[::-1])
        assert (await here.get("/jobs", Authorization=f"Bearer {TOKEN}"))[0] == 401
        assert (await here.get("/jobs", Authorization=f"Bearer {TOKEN[::-1]}"))[0] == 200
