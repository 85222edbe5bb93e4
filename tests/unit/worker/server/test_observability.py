"""The status of a worker: what it waits for, what it can run without, and its warm processes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from livekit.agents.utils import EventEmitter

from tests.support.virtual.job_parts import settings_in
from worker.server.observability import Observability
from worker.server.readiness import Readiness

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
