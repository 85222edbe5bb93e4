"""The observer of a worker's jobs: metrics, the view of each job, and records of dead jobs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from states import State
from tests.support.virtual.journal_parts import (
    END,
    HEADER,
    START,
    condition,
    record,
    step,
    transition,
    write,
)
from worker.telemetry import catalog
from worker.telemetry.job_observer import Observer, code_of
from worker.telemetry.metrics import Metrics
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from pathlib import Path


class Watched:
    """An observer, and one job whose journal a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.observer = Observer(folder, version="1.2.3")
        self.path = folder / "AJ_1.jsonl"

    async def saw(self, *records: Any) -> None:
        """Assign the job, write these records to its journal, and read the journal."""
        self.observer.job_given("AJ_1", "room-1")
        write(self.path, records)
        await self.observer.follower.look()

    def figure(self, name: str, **labels: str) -> float:
        """Return a metric as Prometheus reads it; 0 if it is not exported."""
        text = self.observer.page(WorkerStatus(slots=4)).decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return 0.0


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.mark.row("S11")
async def test_a_completed_job_is_counted_with_its_end_states_loads_and_turns(
    watched: Watched,
) -> None:
    turn = record("turn", 9.0, speaker="candidate", interrupted=False, latency={"end_of_turn": 1.9})
    await watched.saw(*START, turn, *END)
    await watched.observer.job_gone("AJ_1", 0)

    assert watched.figure("interview_jobs_started_total") == 1
    ended = {"outcome": "completed", "reason": "InterviewCompleted"}
    assert watched.figure("interview_jobs_ended_total", **ended) == 1
    assert watched.figure("interview_job_exits_total", code="0") == 1
    assert watched.figure("interview_state_seconds_sum", state="RUNNING") == pytest.approx(60.0)
    assert watched.figure("interview_start_seconds_sum", milestone="init_done") == 0.6
    assert watched.figure("interview_start_seconds_bucket", milestone="init_done", le="0.6") == 1
    assert watched.figure("interview_start_seconds_sum", milestone="ctx_connected") == 0.35
    assert watched.figure("interview_loads_total", resource="vad", result="ok") == 1
    assert watched.figure("interview_turns_total", speaker="candidate", interrupted="no") == 1
    assert watched.figure("interview_turn_seconds_sum", part="end_of_turn") == 1.9
    assert watched.figure("interview_jobs_running", state="RUNNING") == 0


@pytest.mark.row("S11")
async def test_a_killed_job_is_counted_with_its_signal(watched: Watched) -> None:
    await watched.saw(*START)
    assert watched.figure("interview_jobs_running", state="RUNNING") == 1
    await watched.observer.job_gone("AJ_1", -9)

    assert watched.figure("interview_job_exits_total", code="SIGKILL") == 1
    killed = {"outcome": "failed", "reason": "ProcessKilled"}
    assert watched.figure("interview_jobs_ended_total", **killed) == 1
    (job,) = watched.observer.jobs()
    assert (job["running"], job["state"], job["reason"]) == (False, "RUNNING", "ProcessKilled")


@pytest.mark.row("S11")
async def test_a_job_that_died_before_its_first_record_is_counted(watched: Watched) -> None:
    watched.observer.job_given("AJ_1", "room-1")
    await watched.observer.job_gone("AJ_1", 1)
    exited = {"outcome": "failed", "reason": "ProcessExited"}
    assert watched.figure("interview_jobs_ended_total", **exited) == 1


async def test_a_job_without_an_end_record_that_exited_with_0_has_not_failed(
    watched: Watched,
) -> None:
    await watched.saw(*START)
    await watched.observer.job_gone("AJ_1", 0)
    assert watched.figure("interview_jobs_ended_total", outcome="unknown") == 1
    assert watched.figure("interview_jobs_ended_total", outcome="failed") == 0


@pytest.mark.row("S11")
async def test_losses_and_recoveries_are_counted_with_the_seconds_between(
    watched: Watched,
) -> None:
    await watched.saw(
        *START,
        condition("vad", "lost", "StreamEnded", 10.0),
        step("whatever", 12.0),
        condition("vad", "ready", "Loaded", 15.0),
        step("whatever", 20.0),
    )
    lost = {"resource": "vad", "reason": "StreamEnded"}
    assert watched.figure("interview_resource_losses_total", **lost) == 1
    assert watched.figure("interview_resource_recoveries_total", resource="vad") == 1
    assert watched.figure("interview_degraded_seconds_total", resource="vad") == pytest.approx(5.0)
    assert watched.figure("interview_jobs_degraded", resource="vad") == 0


@pytest.mark.row("S11")
async def test_timeouts_leaks_fallbacks_and_provider_failures_are_counted(watched: Watched) -> None:
    await watched.saw(
        HEADER,
        transition(None, None, "HANDSHAKE", 0.0),
        transition(
            "HANDSHAKE",
            "budget_spent",
            "CLOSING",
            10.0,
            outcome="failed",
            reason="HandshakeTimeout",
        ),
        step("close tts", 10.5, ok=False, reason="CloseTimeout"),
        step("leave_room", 10.5, ok=False, reason="TimeoutError"),
        condition("tts", "ready", "Fallback", 10.6),
        record("fault", 10.7, where="tts.elevenlabs", error="ProviderTimeout"),
        record("fault", 10.8, where="turn", error="SilentTurn", rung="clip", silent_s=5.1),
        record("fault", 10.9, where="loop", error="LoopStalled", call="a:b:1", stalled_s=3.5),
    )
    assert watched.figure("interview_state_timeouts_total", state="HANDSHAKE") == 1
    assert watched.figure("interview_resource_leaks_total", resource="tts") == 1
    assert watched.figure("interview_closing_failures_total", step="leave_room") == 1
    assert watched.figure("interview_fallbacks_total", resource="tts") == 1
    failed = {"resource": "tts", "provider": "elevenlabs", "reason": "ProviderTimeout"}
    assert watched.figure("interview_provider_failures_total", **failed) == 1
    assert watched.figure("interview_ladder_rungs_total", rung="clip") == 1
    assert watched.figure("interview_silence_seconds_sum") == 5.1
    assert watched.figure("interview_loop_stall_seconds_total") == 3.5
    (job,) = watched.observer.jobs()
    assert job["last_stall"] == {"call": "a:b:1", "seconds": 3.5}
    assert job["longest_silence_s"] == 5.1


async def test_only_the_first_entry_into_the_session_is_the_end_of_the_start(
    watched: Watched,
) -> None:
    await watched.saw(*START, transition("RUNNING", "session_started", "RUNNING", 60.0))
    assert watched.figure("interview_start_seconds_count", milestone="init_done") == 1


async def test_a_job_in_a_state_of_another_version_is_degraded_without_a_resource(
    watched: Watched,
) -> None:
    await watched.saw(
        *START,
        condition("database", "lost", "DatabaseUnavailable", 1.0),
        transition("RUNNING", "session_started", "SUSPENDED", 60.0),
    )
    assert watched.figure("interview_jobs_degraded", resource="database") == 1


async def test_a_running_job_is_shown_with_its_state_and_conditions(watched: Watched) -> None:
    await watched.saw(*START, condition("database", "lost", "DatabaseUnavailable", 1.0))
    job = watched.observer.job("AJ_1")
    assert job is not None
    assert (job["room"], job["interview_id"], job["pid"]) == ("room-1", "iv-1", 4711)
    assert (job["state"], job["running"]) == ("RUNNING", True)
    assert job["conditions"]["database"] == {"status": "lost", "reason": "DatabaseUnavailable"}
    assert watched.figure("interview_jobs_degraded", resource="database") == 1
    assert watched.observer.job("AJ_2") is None


@pytest.mark.row("S13")
async def test_a_job_without_a_heartbeat_is_unresponsive(watched: Watched) -> None:
    await watched.saw(*START)
    assert watched.observer.unresponsive() == []
    long_ago = time.time() - 60
    watched.observer._running["AJ_1"].alive_at = long_ago
    os.utime(watched.path, (long_ago, long_ago))
    await watched.saw()
    assert watched.observer.unresponsive() == ["AJ_1"]
    assert watched.figure("interview_jobs_unresponsive") == 1


async def test_a_job_whose_journal_is_only_in_memory_is_not_unresponsive(
    watched: Watched,
) -> None:
    watched.observer.job_given("AJ_1", "room-1")
    await watched.observer.follower.look()
    watched.observer._running["AJ_1"].alive_at = time.time() - 60
    assert watched.observer.unresponsive() == []


async def test_only_the_latest_ended_jobs_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    observer = Observer(tmp_path, version="1")
    for n in range(200):
        observer.job_given(f"AJ_{n}", "room")
        await observer.job_gone(f"AJ_{n}", 0)
    assert len(observer.jobs()) == 50
    page = observer.page(WorkerStatus()).decode()
    assert "interview_jobs_started_total 200.0" in page


@pytest.mark.parametrize(
    "broken",
    [
        record("turn", 1.0),
        record("step", 1.0, name="load vad"),
        record("condition", 1.0, resource=None),
        record("fault", 1.0, where="turn", error="SilentTurn", rung="clip"),
        record("transition", 1.0),
        record("of a newer version", 1.0),
        record("turn", 1.0, speaker="candidate", interrupted=False, latency={"x": "soon"}),
        record("turn", 1.0, speaker="candidate", interrupted=False, latency=[1.0]),
    ],
)
async def test_a_malformed_record_does_not_stop_the_observer(watched: Watched, broken: Any) -> None:
    await watched.saw(*START[:2], broken, *START[2:])
    assert watched.figure("interview_start_seconds_count", milestone="init_done") == 1


async def test_a_label_has_a_bounded_number_of_values(watched: Watched) -> None:
    faults = [record("fault", 1.0, where="job", error=f"Error{n}") for n in range(500)]
    await watched.saw(*START, *faults)
    page = watched.observer.page(WorkerStatus()).decode()
    assert page.count('interview_faults_total{error="') <= 61
    assert watched.figure("interview_faults_total", where="job", error="Other") == 440


@pytest.mark.row("S11")
@pytest.mark.parametrize(
    ("exit_code", "code"),
    [(0, "0"), (1, "1"), (-9, "SIGKILL"), (-200, "SIG200"), (None, "unknown")],
)
def test_an_exit_code_becomes_one_label_value(exit_code: int | None, code: str) -> None:
    assert code_of(exit_code) == code


def test_every_metric_has_a_unique_name_and_a_help_line() -> None:
    assert len({each.name for each in catalog.FIGURES}) == len(catalog.FIGURES)
    for each in catalog.FIGURES:
        assert each.means.endswith(".") or each.means.endswith("0 to 1.")
        assert not each.name.endswith("_total"), "the exposition adds it"
        assert each.kind != "histogram" or each.name.endswith("_seconds")


@pytest.mark.row("S13")
def test_every_metric_is_exported_before_any_event() -> None:
    page = Metrics().page().decode()
    for each in catalog.FIGURES:
        assert f"# HELP {each.shown_as} " in page


def test_state_labels_are_the_names_of_the_transition_table(tmp_path: Path) -> None:
    page = Observer(tmp_path, version="1").page(WorkerStatus()).decode()
    for state in State:
        assert f'interview_jobs_running{{state="{state}"}} 0.0' in page
