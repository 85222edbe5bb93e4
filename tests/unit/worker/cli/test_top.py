"""`top`: the activity of a worker's jobs, as a page and as JSON."""

from __future__ import annotations

import asyncio
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.support.virtual.journal_parts import HEADER, START, condition, record, write
from tests.unit.worker.telemetry.test_http import WAITING, served
from worker.cli.app import app
from worker.cli.top import screen

if TYPE_CHECKING:
    from pathlib import Path


async def top(port: int, *arguments: str) -> tuple[int, str]:
    variables = {"INTERVIEW_HTTP_PORT": str(port), "COLUMNS": "140"}
    invoke = CliRunner().invoke
    result = await asyncio.to_thread(invoke, app, ["top", *arguments], env=variables)
    return result.exit_code, result.output


async def test_a_running_interview_is_a_row_with_its_losses_and_usage(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.observer.job_given("AJ_1", "room-1")
        header = {**HEADER, "pid": os.getpid()}
        lost = condition("database", "lost", "DatabaseUnavailable", 1.0)
        turn = record(
            "turn", 9.0, speaker="interviewer", interrupted=False, latency={"answer": 2.3}
        )
        write(tmp_path / "AJ_1.jsonl", [header, *START[1:], lost, turn])
        await here.observer.follower.look()

        code, text = await top(here.port, "--once")
        assert code == 0
        row = next(line for line in text.splitlines() if "iv-1" in line)
        for part in ("RUNNING", "database", "2.3 s", "MB", "%"):
            assert part in row

        _, text = await top(here.port, "--json")
        (job,) = json.loads(text)["jobs"]
        assert job["memory_mb"] > 1


async def test_an_ended_interview_is_listed_with_its_reason(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.observer.job_given("AJ_1", "room-1")
        await here.observer.job_gone("AJ_1", -9)
        _, text = await top(here.port, "--once")
    assert "no interview is running" in text
    assert "ProcessKilled" in text


async def test_a_worker_that_takes_no_jobs_names_what_it_waits_on(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.status = WAITING
        assert "waiting on livekit, disk" in (await top(here.port, "--once"))[1]


async def test_without_a_worker_top_prints_one_line(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        port = here.port
    code, text = await top(port, "--once")
    assert code == 5
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("interview_id", ["[red]x[/red]", "x" * 100, "\x1b[31m"])
def test_an_interview_id_is_never_markup(interview_id: str) -> None:
    job: dict[str, Any] = {
        "job_id": "AJ_1",
        "interview_id": interview_id,
        "running": True,
        "state": None,
        "state_s": 1.0,
        "conditions": {},
        "turns": 0,
        "latency_s": {},
        "longest_silence_s": 0.0,
        "last_sign_of_life_s": 12.0,
        "cpu_percent": None,
        "memory_mb": None,
    }
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(screen({"worker": {}, "jobs": [job]}))
    text = console.export_text()
    assert "\x1b" not in text
    assert interview_id.replace("\x1b", "")[:20] in text
