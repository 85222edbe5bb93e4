"""What every command with --json printed, it prints today: over the captured database."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.compat.captured import Captured, broken
from tests.compat.comparing import missing_keys
from tests.compat.printing import Printed
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.registry import checks_of
from worker.doctor.runner import run_checks
from worker.livekit_api.client import LiveKitClient
from worker.telemetry.http import TelemetryServer
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.compat.conftest import Restored, Server

pytestmark = pytest.mark.usefixtures("only_these_settings")

#: What they print follows from the database alone.
_OF_DATABASE = (
    "interviews-show",
    "interviews-export",
    "interviews-list",
    "interviews-show-unknown",
    "jobs-list",
    "jobs-show",
    "blame",
    "critical-chain",
)
#: From settings and code alone.
_OF_CODE = ("config", "resources", "providers", "faults")
_OF_LIVEKIT = ("interviews-create", "interviews-dispatch", "interviews-token")
_OF_WORKER = ("health", "health-live", "health-started", "top")
#: Checks of the doctor that need nothing but the machine and the database.
_CHECKS = ("settings", "database.", "machine.")


@pytest.fixture
def on_shared_database(
    only_these_settings: None,
    server: Server,
    restored: Restored,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DATABASE_URL is that of the restored database, which no command here changes."""
    monkeypatch.setenv("DATABASE_URL", server.url_of(restored.shared))


@pytest.mark.parametrize("name", _OF_DATABASE)
@pytest.mark.usefixtures("on_shared_database")
def test_a_command_prints_the_same_of_the_database(captured: Captured, name: str) -> None:
    printed = Printed.of(captured, name)
    printed.same_values(printed.run())


@pytest.mark.parametrize("name", _OF_CODE)
def test_a_command_still_prints_every_row_and_key(captured: Captured, name: str) -> None:
    printed = Printed.of(captured, name)
    printed.same_keys(printed.run())


def test_every_fault_point_keeps_its_names_and_kinds(captured: Captured) -> None:
    printed = Printed.of(captured, "faults")
    new = {row["point"]: row for row in printed.run()}
    broken(
        [
            f"INTERVIEW_FAULTS does not take {gone!r} at {row['point']} any more."
            for row in printed.old
            for key in ("kinds", "names")
            for gone in set(row[key]) - set(new[row["point"]][key])
        ]
    )


def test_blaming_the_newest_journals_prints_every_key(captured: Captured) -> None:
    kept = Settings.load().journal_dir / "shipped"
    kept.mkdir(parents=True)
    for path in captured.path("journals", "whole").glob("*.jsonl"):
        shutil.copy(path, kept)
    printed = Printed.of(captured, "blame-last")
    printed.same_keys(printed.run())


@pytest.mark.parametrize("name", _OF_LIVEKIT)
async def test_a_command_that_needs_livekit_prints_every_key(
    captured: Captured,
    server: Server,
    restored: Restored,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[dict[str, Any]] = []

    async def nothing(*_: object, **__: object) -> list[str]:
        return []

    async def dispatch(*_: object, **details: Any) -> str:
        sent.append(details)
        return "AD_test"

    for tool in ("create_room", "list_participants"):
        monkeypatch.setattr(LiveKitClient, tool, nothing)
    monkeypatch.setattr(LiveKitClient, "dispatch", dispatch)
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:7880")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "a secret that is long enough for a signature")
    _, plan = json.loads(captured.path("dispatch_metadata", "created.json").read_text()).values()
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))  # JSON is YAML
    printed = Printed.of(captured, name)
    async with server.copy_of(restored.template) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        if name in ("interviews-dispatch", "interviews-token"):
            printed = printed.about(await _not_sent_yet(url))
        printed.same_keys(await asyncio.to_thread(printed.run))
    assert len(sent) == (name != "interviews-token")


async def _not_sent_yet(url: str) -> str:
    """An interview that an interviewer can be sent to, and that its candidate can join."""
    connection = await asyncpg.connect(url)
    try:
        found: str = await connection.fetchval(
            "SELECT interview_id FROM interviews WHERE status = 'created' LIMIT 1"
        )
        return found
    finally:
        await connection.close()


@pytest.fixture
async def served(captured: Captured, tmp_path: Path) -> AsyncIterator[int]:
    """The port of a worker's HTTP server, which has one job: one of the captured journals."""
    observer = Observer(tmp_path, version="test")
    running = _longest(captured)
    shutil.copy(captured.path("journals", running["file"]), tmp_path)
    observer.job_given(running["job_id"], "room")
    await observer.follower.look()
    status = WorkerStatus(started=True, slots=8, slots_used=1)
    http = TelemetryServer(observer, lambda: status)
    yield await http.start("127.0.0.1", 0)
    await http.aclose()


def _longest(captured: Captured) -> dict[str, Any]:
    """The captured journal with the most turns."""
    entries: list[dict[str, Any]] = captured.data("journals", "index.json")
    whole = [entry for entry in entries if entry["kind"] == "whole"]
    return max(whole, key=lambda entry: len(entry["turns"]))


@pytest.mark.parametrize("name", _OF_WORKER)
async def test_a_command_that_queries_the_worker_prints_every_key(
    captured: Captured, served: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_HTTP_PORT", str(served))
    printed = Printed.of(captured, name)
    printed.same_keys(await asyncio.to_thread(printed.run))


@pytest.mark.usefixtures("on_shared_database")
async def test_the_doctor_keeps_every_check_and_every_fact(
    captured: Captured, served: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_HTTP_PORT", str(served))
    printed = Printed.of(captured, "doctor")
    old = {row["check"]: row for row in printed.old["checks"]}
    settings = Settings.load()
    checks = {check.name: check for check in checks_of(settings)}
    problems = [f"The doctor's check {name} is gone." for name in old if name not in checks]
    chosen = [check for name, check in checks.items() if name.startswith(_CHECKS)]
    async with CheckContext(settings) as visit:
        results = [result.as_data() for result in await run_checks(visit, chosen)]
    for row in results:
        before = old.get(row["check"])
        if before is not None and before["verdict"] == row["verdict"]:
            problems += [
                f"In the JSON of `{printed.command}`, {problem}, in the check {row['check']}."
                for problem in missing_keys(before, row)
            ]
    broken(problems)


def test_every_captured_json_command_is_compared(captured: Captured) -> None:
    names = {entry["name"] for entry in captured.data("commands", "index.json")}
    alone = {"blame-last", "doctor"}
    assert names == {*_OF_DATABASE, *_OF_CODE, *_OF_LIVEKIT, *_OF_WORKER, *alone}
