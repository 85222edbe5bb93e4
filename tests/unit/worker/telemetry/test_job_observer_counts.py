"""The observer's metrics of VADs and of warm processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.virtual.journal_parts import record, step, transition, write
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row("S11")
@pytest.mark.parametrize(("how", "result"), [("VADLoadFailed", "failed"), ("LoadTimeout", "late")])
async def test_a_vad_that_does_not_load_is_counted(tmp_path: Path, how: str, result: str) -> None:
    observer = Observer(tmp_path, version="1")
    observer.job_given("AJ_1", "room-1")
    write(
        tmp_path / "AJ_1.jsonl",
        [
            record("job", 0.0, job_id="AJ_1"),
            transition(None, None, "HANDSHAKE", 0.0),
            step("load vad", 0.4, ok=False, reason=how),
        ],
    )
    await observer.follower.look()
    page = observer.page(WorkerStatus()).decode()
    counted = {
        (sample.labels["resource"], sample.labels["result"])
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "interview_loads_total" and sample.value == 1
    }
    assert counted == {("vad", result)}


@pytest.mark.row("S13")
def test_the_warm_processes_are_exported(tmp_path: Path) -> None:
    """Operators use this metric to set INTERVIEW_IDLE_PROCESSES for the load."""
    page = Observer(tmp_path, version="1").page(WorkerStatus(warm_processes=3)).decode()
    assert 'interview_processes{state="warm"} 3.0' in page
