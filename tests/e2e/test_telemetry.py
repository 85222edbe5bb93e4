"""A running worker seen from outside over its whole life: probes, metrics and jobs."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil
import pytest

from tests.support.live.one_question import PLAN, is_running
from tests.support.live.running_worker import RunningWorker, command, database_elsewhere
from tests.support.live.waiting import answered
from worker.simulation.livekit_server import LiveKitServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.live.running_worker import StartWorker

TOKEN, NEXT_TOKEN = "a-token-of-sixteen-characters", "the-token-after-the-rotation"


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Seen:
    """A worker, queried over HTTP."""

    def __init__(self, worker: RunningWorker) -> None:
        self.worker = worker
        self.base = f"http://127.0.0.1:{worker.settings['INTERVIEW_HTTP_PORT']}"

    async def get(self, path: str, *, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else None
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(self.base + path) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def ready(self, **answer: Any) -> dict[str, Any]:
        """Wait until /readyz returns these fields."""

        async def said() -> dict[str, Any] | None:
            _, page = await self.get("/readyz")
            return dict(page) if answer.items() <= page.items() else None

        return await answered(said, f"readiness with {answer}")

    async def figure(self, name: str) -> float:
        """Return the metric with this name and these labels; 0 if /metrics does not have it."""
        _, page = await self.get("/metrics")
        line = next((line for line in page.splitlines() if line.startswith(f"{name} ")), "x 0")
        return float(line.split()[-1])

    async def job(self, **said: Any) -> dict[str, Any]:
        """Wait until /jobs lists a job with these fields."""

        async def found() -> dict[str, Any] | None:
            _, page = await self.get("/jobs")
            return next((dict(job) for job in page["jobs"] if said.items() <= job.items()), None)

        return await answered(found, f"a job with {said}")

    async def unresponsive(self, *job_ids: str) -> None:
        """Wait until exactly these jobs have no heartbeat."""

        async def said() -> bool:
            _, page = await self.get("/livez")
            return bool(page["unresponsive_jobs"] == [*job_ids])

        await answered(said, f"unresponsive: {job_ids}")


@pytest.fixture
async def seen(start_worker: StartWorker) -> Seen:
    port = free_port()
    return Seen(await start_worker({"INTERVIEW_HTTP_PORT": str(port), "INTERVIEW_DRAIN_S": "60"}))


@pytest.mark.row("S11", "S13")
async def test_a_job_is_visible_in_telemetry_from_start_to_kill(seen: Seen) -> None:
    worker = seen.worker
    await seen.ready(ready=True, waiting_on=[])
    interview = await worker.create(PLAN)
    await worker.send_interviewer(interview)
    job = await seen.job(state="RUNNING", running=True)
    assert job["interview_id"] == interview.interview_id
    assert job["conditions"]["vad"]["status"] == "ready"
    started = 'interview_start_seconds_count{milestone="init_done"}'
    assert await seen.figure(started) == 1
    assert await seen.figure("interview_slots_used") == 1

    process = psutil.Process(job["pid"])
    process.send_signal(signal.SIGSTOP)
    await seen.unresponsive(job["job_id"])
    assert await seen.figure("interview_jobs_unresponsive") == 1
    process.send_signal(signal.SIGCONT)
    await seen.unresponsive()

    process.send_signal(signal.SIGKILL)
    gone = await seen.job(running=False)
    assert (gone["state"], gone["reason"]) == ("RUNNING", "ProcessKilled")
    assert await seen.figure('interview_job_exits_total{code="SIGKILL"}') == 1
    killed = 'interview_jobs_ended_total{outcome="failed",reason="ProcessKilled"}'
    assert await seen.figure(killed) == 1
    assert (await seen.get("/jobs/none"))[0] == 404


@pytest.mark.row("S13")
async def test_a_draining_worker_is_reported_by_readiness_and_health(seen: Seen) -> None:
    worker = seen.worker
    await seen.ready(ready=True)
    asked = await asyncio.to_thread(command, "health", settings=worker.settings, cwd=worker.folder)
    assert (asked.returncode, asked.stdout) == (0, "ready: 0 of 4 slots in use\n")

    interview = await worker.create(PLAN)
    await worker.send_interviewer(interview)
    await seen.job(state="RUNNING")
    assert worker.process is not None
    worker.process.send_signal(signal.SIGTERM)
    await seen.ready(ready=False, draining=True)
    asked = await asyncio.to_thread(command, "health", settings=worker.settings, cwd=worker.folder)
    assert asked.returncode == 5
    assert re.fullmatch(r"draining, \d+ s left: no new interviews, 1 left\n", asked.stdout)
    worker.process.send_signal(signal.SIGTERM)
    await worker.exited()


async def test_readiness_follows_the_livekit_connection(livekit_binary: Path) -> None:
    server = LiveKitServer(livekit_binary)
    await server.start()
    worker = RunningWorker(server, {"INTERVIEW_HTTP_PORT": str(free_port())})
    seen = Seen(worker)
    try:
        await worker.start()
        await seen.ready(ready=True)
        await server.kill()
        said = await seen.ready(ready=False)
        assert said["waiting_on"] == ["livekit"]
        await server.start()
        await seen.ready(ready=True, waiting_on=[])
    finally:
        await worker.discard()
        await server.stop()


async def test_a_taken_port_is_reported_in_one_line(seen: Seen, tmp_path: Path) -> None:
    again = await asyncio.to_thread(
        command, "start", settings=seen.worker.settings, cwd=seen.worker.folder
    )
    assert again.returncode == 6
    assert again.stderr.splitlines()[-1].endswith(
        "is in use; set INTERVIEW_HTTP_PORT to a free port (0 takes any)"
    )


async def test_secrets_come_from_files_and_the_probes_need_no_token(
    livekit_server: LiveKitServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    async with database_elsewhere() as url:
        secrets = {
            "LIVEKIT_API_SECRET": livekit_server.api_secret,
            "DATABASE_URL": url,
            "INTERVIEW_HTTP_TOKEN": TOKEN,
        }
        for name, value in secrets.items():
            (tmp_path / name).write_text(f"{value}\n")
        ports = {"INTERVIEW_HTTP_PORT": free_port(), "INTERVIEW_HTTP_PROBE_PORT": free_port()}
        worker = await start_worker(
            {
                **dict.fromkeys(secrets, ""),
                **{f"{name}_FILE": str(tmp_path / name) for name in secrets},
                **{name: str(port) for name, port in ports.items()},
                "INTERVIEW_EMBEDDED": "0",
                # No program listens there. LiveKit is on this machine, so no proxy is used, also
                # not by LiveKit's SDK in the job.
                "http_proxy": "http://127.0.0.1:9",
            }
        )
        assert worker.process is not None
        assert listens_on(worker.process.pid) == set(ports.values())

        created = await worker.command_json(
            "interviews", "create", "--candidate", "Ada", "--dispatch"
        )
        await worker.job(created["room"], until=is_running)

        pages, probes = Seen(worker), Seen(worker)
        probes.base = f"http://127.0.0.1:{ports['INTERVIEW_HTTP_PROBE_PORT']}"
        ready = await probes.ready(ready=True)
        assert ready == {"ready": True, "waiting_on": [], "draining": False}
        assert (await probes.get("/jobs"))[0] == 404
        assert (await pages.get("/readyz"))[0] == 401
        assert (await pages.get("/jobs", token=TOKEN))[0] == 200

        (tmp_path / "INTERVIEW_HTTP_TOKEN").write_text(NEXT_TOKEN)
        await worker.logged("secrets_read_again")
        assert (await pages.get("/jobs", token=TOKEN))[0] == 401
        assert (await pages.get("/jobs", token=NEXT_TOKEN))[0] == 200
        shown = worker.log_path.read_text()
        assert not [value for value in (livekit_server.api_secret, TOKEN) if value in shown]
        await worker.stop()  # before its database


def listens_on(pid: int) -> set[int]:
    """Return the TCP ports on which a process and its descendants listen."""
    process = psutil.Process(pid)
    return {
        connection.laddr.port
        for each in (process, *process.children(recursive=True))
        for connection in each.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
