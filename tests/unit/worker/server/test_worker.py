"""The agent server that a worker makes from its settings."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.job_parts import settings_in
from tests.support.virtual.stored_interview import stored_interview
from worker.continuity.metadata_cipher import WorkerKeys
from worker.server.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row("S9", "S13")
@pytest.mark.parametrize(
    ("variables", "idle", "cleanup_s"),
    [({}, 2, 5.0), ({"INTERVIEW_IDLE_PROCESSES": "4", "INTERVIEW_CLEANUP_S": "9"}, 4, 9.0)],
    ids=["by default", "as configured"],
)
async def test_the_agent_server_gets_idle_processes_and_cleanup_time_from_the_settings(
    tmp_path: Path, variables: dict[str, str], idle: int, cleanup_s: float
) -> None:
    settings = settings_in(tmp_path, LIVEKIT_URL="ws://127.0.0.1:1", **variables)
    server = Worker(settings).server
    assert server._num_idle_processes == idle
    assert server._shutdown_process_timeout == cleanup_s
    # With a threshold the framework would size the pool by the CPU's load.
    assert server._load_threshold == float("inf")


async def test_a_free_slot_is_reported_to_livekit_as_soon_as_its_job_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(settings_in(tmp_path, LIVEKIT_URL="ws://127.0.0.1:1"))
    told = asyncio.Event()

    async def tell_status() -> None:
        told.set()

    monkeypatch.setattr(worker.server, "tell_status", tell_status)
    job = SimpleNamespace(job=SimpleNamespace(id="AJ_1", room=SimpleNamespace(name="room-1")))

    worker._ended_jobs.process_closed(SimpleNamespace(running_job=job, exitcode=0))
    await asyncio.sleep(0)
    assert not told.is_set(), "this worker is not registered with LiveKit yet"

    worker.registered.set()
    worker._ended_jobs.process_closed(SimpleNamespace(running_job=job, exitcode=0))
    async with asyncio.timeout(1.0):
        await told.wait()


async def test_an_error_of_a_report_to_livekit_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(settings_in(tmp_path, LIVEKIT_URL="ws://127.0.0.1:1"))

    async def tell_status() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker.server, "tell_status", tell_status)
    worker.registered.set()
    worker._tell_livekit()
    await asyncio.wait(tuple(worker._telling))
    await asyncio.sleep(0)
    assert "a background task ended with an error: tell-status" in caplog.text


async def test_a_rotated_key_is_used_by_everything_that_signs_or_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(settings_in(tmp_path, LIVEKIT_URL="ws://127.0.0.1:1"))
    told: list[tuple[str, str]] = []
    webhooks = worker.observation._webhooks
    for user in (worker.server, webhooks):
        monkeypatch.setattr(user, "use_key", lambda key, secret: told.append((key, secret)))
    worker._use_secrets(
        settings_in(
            tmp_path,
            LIVEKIT_API_KEY="new-key",
            LIVEKIT_API_SECRET="new-secret",
            DATABASE_URL="postgresql://me:new@localhost/db",
        )
    )
    told.append(worker._continuity._livekit._sessions.access or ("", ""))
    assert told == [("new-key", "new-secret")] * 3
    interview = stored_interview()
    metadata = json.dumps({"interview_id": interview.interview_id})
    sealed = worker._continuity._keys.seal(interview)(metadata)
    assert WorkerKeys("new-secret").decrypt(sealed, room=interview.room) == metadata
    assert worker._job_database.url_for("", "room") == "postgresql://me:new@localhost/db"


async def test_the_worker_connects_to_livekit_through_the_proxy_of_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "livekit.internal")
    far = Worker(settings_in(tmp_path, LIVEKIT_URL="wss://livekit.example"))
    assert far.server._http_proxy == "http://proxy.example:3128"
    near = Worker(settings_in(tmp_path, LIVEKIT_URL="wss://livekit.internal"))
    assert near.server._http_proxy is None
