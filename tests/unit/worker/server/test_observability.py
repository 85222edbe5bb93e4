"""The status of a worker: what it waits for, what it can run without, and its warm processes."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from livekit.agents.utils import EventEmitter

from tests.support.virtual.job_parts import settings_in
from worker.server.observability import Observability, PortTaken, listening_addresses
from worker.server.readiness import Readiness

if TYPE_CHECKING:
    from pathlib import Path


class Starting:
    """A worker whose server has started, and that has no process for a job yet."""

    def __init__(self, folder: Path) -> None:
        settings = settings_in(folder)
        self.readiness = Readiness(settings.journal_dir)
        self.books = cast(Any, SimpleNamespace(is_away=False, waiting=(0, 0.0), pool=None))
        self.awaits_process, self.connected = True, False
        self.observation = Observability(
            settings,
            self.readiness,
            self.books,
            connected=lambda: self.connected,
            awaits_process=lambda: self.awaits_process,
            busy=lambda: 0,
            load=lambda: 0.0,
        )

    @property
    def waiting_on(self) -> list[str]:
        return [name for name, _ in self.observation.status().waiting_on]

    @property
    def page(self) -> str:
        return self.observation.observer.page(self.observation.status()).decode()


def test_a_worker_without_a_warm_process_waits_for_that_and_not_for_livekit(
    tmp_path: Path,
) -> None:
    """The alert about a lost connection to LiveKit must not fire for a worker that prepares."""
    worker = Starting(tmp_path)
    status = worker.observation.status()
    assert worker.waiting_on == ["warm_process"]
    assert (status.ready, status.started) == (False, False)
    assert 'interview_worker_waiting_on{what="warm_process"} 1.0' in worker.page

    worker.awaits_process = False
    assert worker.waiting_on == ["livekit"]
    worker.connected = True
    assert worker.observation.status().ready


def test_a_failed_preparation_is_the_reason_why_no_process_is_warm(tmp_path: Path) -> None:
    worker = Starting(tmp_path)
    worker.readiness.set_up_failed("the plugin is damaged")
    assert worker.observation.status().waiting_on == (("processes", "the plugin is damaged"),)


def test_a_migration_of_the_schema_is_named_beside_the_awaited_process(tmp_path: Path) -> None:
    worker = Starting(tmp_path)
    worker.observation.opening_books = True
    assert worker.waiting_on == ["warm_process", "database"]


def test_a_database_that_goes_away_later_is_information_and_the_worker_stays_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Starting(tmp_path)
    worker.awaits_process, worker.connected = False, True
    renewals, now = worker.observation.renewals, 0.0
    monkeypatch.setattr(renewals, "_clock", lambda: now)
    renewals.record(True)
    assert worker.observation.status().without == ()
    for _ in range(7):
        now += 0.5
        renewals.record(False)
    status = worker.observation.status()
    assert (status.ready, status.without) == (True, ("database",))
    assert "interview_lease_renewal_failures_total 7.0" in worker.page
    assert "interview_lease_renewal_age_seconds 3.5" in worker.page
    renewals.record(True)
    assert worker.observation.status().without == ()
    assert "interview_lease_renewal_age_seconds 0.0" in worker.page


def test_a_process_that_is_being_prepared_does_not_count_as_warm(tmp_path: Path) -> None:
    class Process:
        started = True
        running_job: object = None

    worker = Starting(tmp_path)
    preparing, warm, busy = Process(), Process(), Process()
    busy.running_job = object()
    pool: Any = EventEmitter[str]()
    pool.processes = [preparing, warm, busy]
    worker.observation.watch(pool)
    for process in (warm, busy):
        pool.emit("process_ready", process)
    assert worker.observation.status().warm_processes == 1


# --- the servers --------------------------------------------------------------------------------


def observed(folder: Path, **variables: str) -> Observability:
    settings = settings_in(folder, **{"INTERVIEW_HTTP_PORT": "0"} | variables)
    settings.journal_dir.mkdir(parents=True)
    return Observability(
        settings,
        Readiness(settings.journal_dir),
        cast(Any, SimpleNamespace(is_away=False, waiting=(0, 0.0), pool=None)),
        connected=lambda: True,
        busy=lambda: 0,
        load=lambda: 0.0,
    )


def test_the_probes_listen_at_the_host_of_the_http_server_unless_they_have_their_own(
    tmp_path: Path,
) -> None:
    def addresses(**variables: str) -> list[tuple[str, str, int]]:
        found = listening_addresses(settings_in(tmp_path, **variables))
        return [(each.prefix, each.host, each.port) for each in found]

    main = ("INTERVIEW_HTTP", "127.0.0.1", 8081)
    assert addresses() == [main]
    assert addresses(INTERVIEW_HTTP_PROBE_PORT="8082") == [
        main,
        ("INTERVIEW_HTTP_PROBE", "127.0.0.1", 8082),
    ]
    assert addresses(INTERVIEW_HTTP_PROBE_PORT="0", INTERVIEW_HTTP_PROBE_HOST="::1") == [
        main,
        ("INTERVIEW_HTTP_PROBE", "::1", 0),
    ]


async def test_the_probes_are_served_on_their_own_port(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    observation = observed(tmp_path, INTERVIEW_HTTP_PROBE_PORT="0", INTERVIEW_HTTP_TOKEN="t" * 16)
    with caplog.at_level("INFO"):
        await observation.start()
    try:
        ports = {vars(each).get("event"): vars(each).get("port") for each in caplog.records}
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{ports['probe_server_started']}/readyz"
            async with session.get(url) as answer:
                assert answer.status == 200
            url = f"http://127.0.0.1:{ports['http_server_started']}/readyz"
            async with session.get(url) as answer:
                assert answer.status == 401
    finally:
        await observation.aclose()


async def test_a_taken_port_of_the_probes_is_named_and_no_server_stays(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        observation = observed(tmp_path, INTERVIEW_HTTP_PROBE_PORT=str(port))
        with pytest.raises(PortTaken, match=f"{port} is in use; set INTERVIEW_HTTP_PROBE_PORT"):
            await observation.start()
