"""What the commands print with --json, beside a worker that holds an interview, and its page."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
from typing import TYPE_CHECKING

from tests.compat.capture.ends import SHORT
from tests.compat.capture.passing_on import on_another_machine
from tests.compat.capture.talks import ANSWERS, PLAN
from tests.compat.capture.world import UNSERVED, Worker, World

if TYPE_CHECKING:
    import subprocess

    from tests.compat.capture.written import Fixture

_PLAN_FILE = "plan.yaml"


async def at_work(world: World, fixture: Fixture) -> None:
    """Capture what is printed and stored while one interview runs and another one is stranded."""
    port = _free_port()
    settings = {**SHORT, "INTERVIEW_HTTP_PORT": str(port), "INTERVIEW_CANDIDATE_SILENCE_S": "600"}
    await _stranded(world)
    async with Worker(world, settings):
        interview = await world.create(PLAN)
        async with world.candidate(interview.room, interview.candidate_identity) as candidate:
            await world.send(interview)
            await world.asked(interview.room, "last-week")
            await candidate.send_text(ANSWERS["last-week"])
            await world.asked(interview.room, "next-week")
            await world.create(PLAN)
            await asyncio.to_thread(_commands, world, fixture, settings)
            page = f"http://127.0.0.1:{port}/metrics"
            fixture.metrics(await asyncio.to_thread(_read, page))
            await asyncio.to_thread(fixture.dump)


async def _stranded(world: World) -> None:
    """An interview whose worker was killed with its job; no other worker takes it up."""
    interview = await world.create(PLAN)
    async with (
        world.candidate(interview.room, interview.candidate_identity),
        Worker(world, on_another_machine(world, "stranded")) as worker,
    ):
        await world.send(interview)
        await worker.killed(await world.asked(interview.room, "last-week"))


def _commands(world: World, fixture: Fixture, settings: dict[str, str]) -> None:
    jobs = _printed(world, settings, "jobs", "list")
    interviews = _printed(world, settings, "interviews", "list")
    first_of = {each["reason"]: each["interview_id"] for each in reversed(interviews)}
    completed, failed = first_of["InterviewCompleted"], first_of["SessionFailed"]
    job = next(each for each in jobs if each["interview_id"] == completed)["job_id"]
    (world.folder / _PLAN_FILE).write_text(json.dumps(PLAN.to_json()))  # JSON is YAML
    away = {"INTERVIEW_AGENT_NAME": UNSERVED, **settings}
    new = ("--candidate", "Ada", "--plan", _PLAN_FILE, "--dispatch", "--json")

    def keep(name: str, *arguments: str, under: dict[str, str] = settings) -> str:
        return fixture.command(name, arguments, world.command(*arguments, settings=under))

    created = json.loads(keep("interviews-create", "interviews", "create", *new, under=away))
    _keep_created_metadata(world, created["room"])
    keep("interviews-dispatch", "interviews", "dispatch", failed, "--json", under=away)
    keep("interviews-token", "interviews", "token", completed, "--json")
    keep("interviews-show", "interviews", "show", completed, "--json")
    keep("interviews-export", "interviews", "export", completed, "--format", "json")
    keep("interviews-list", "interviews", "list", "--json")
    keep("jobs-list", "jobs", "list", "--json")
    keep("jobs-show", "jobs", "show", job, "--json")
    keep("blame", "blame", job, "--json")
    keep("blame-last", "blame", "--last", "50", "--json")
    keep("critical-chain", "critical-chain", job, "--json")
    keep("config", "config", "--json")
    keep("resources", "resources", "--json")
    keep("providers", "providers", "--json")
    keep("faults", "faults", "--json")
    keep("health", "health", "--json")
    keep("health-live", "health", "live", "--json")
    keep("health-started", "health", "started", "--json")
    keep("top", "top", "--json")
    keep("doctor", "doctor", "--json")
    keep("interviews-show-unknown", "interviews", "show", "unknown", "--json")


def _keep_created_metadata(world: World, room: str) -> None:
    asyncio.run(world.note_metadata(room, "created", follows=False))


def _printed(world: World, settings: dict[str, str], *arguments: str) -> list[dict[str, str]]:
    printed: subprocess.CompletedProcess[str] = world.command(
        *arguments, "--json", settings=settings
    )
    rows: list[dict[str, str]] = json.loads(printed.stdout)
    return rows


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the worker's own
        page: bytes = answer.read()
    return page


def _free_port() -> int:
    """A TCP port of this machine that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
