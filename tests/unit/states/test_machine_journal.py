from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from states import (
    BUDGETS,
    Event,
    FileJournal,
    JournalError,
    MemoryJournal,
    Outcome,
    Reason,
    State,
)
from states.testing import (
    assert_outcome,
    history_of,
    lost,
)
from tests.support.virtual.lifecycle_steps import FullJournal, as_they_stand, take, way_to

if TYPE_CHECKING:
    from pathlib import Path

    from states.pytest_plugin import StartLifecycle


@pytest.mark.row("B10")
async def test_an_event_is_journaled_before_any_listener_runs(
    lifecycle: StartLifecycle,
) -> None:
    journal = MemoryJournal()
    job = lifecycle(journal=journal)
    seen: list[tuple[str, State]] = []
    journal.subscribe(lambda record: seen.append((record["kind"], job.state)))
    await job.fire(Event.LOADER_REPORTED, lost("vad"))
    await job.fire(Event.ROOM_CONNECTED)
    assert seen == [
        ("condition", State.HANDSHAKE),
        ("internal", State.HANDSHAKE),
        ("transition", State.HANDSHAKE),
    ]


async def test_a_journal_subscriber_that_raises_does_not_undo_the_record(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    journal = MemoryJournal()
    job = lifecycle(journal=journal)

    def broken(record: dict[str, Any]) -> None:
        raise ZeroDivisionError

    journal.subscribe(broken)
    assert (await job.fire(Event.ROOM_CONNECTED)).target is job.state is State.CONNECTED
    assert "a journal subscriber failed" in caplog.text


async def test_a_failed_journal_write_raises_and_changes_nothing(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle(journal=(journal := FullJournal()))
    before, written = as_they_stand(job), list(journal.records)
    journal.full = True
    with pytest.raises(JournalError, match="no space left"):
        await job.fire(Event.ROOM_CONNECTED)
    with pytest.raises(JournalError):
        await job.fire(Event.LOADER_REPORTED, lost("vad"))
    assert as_they_stand(job) == before
    assert journal.records == written

    journal.full = False
    assert (await job.fire(Event.ROOM_CONNECTED)).target is State.CONNECTED


async def test_a_budget_end_that_could_not_be_journaled_is_retried(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise a disk that was full for an instant would block the job forever."""
    job = lifecycle(journal=(journal := FullJournal()), budgets={State.HANDSHAKE: 1.0})
    journal.full = True
    await asyncio.sleep(5.5)
    assert job.state is State.HANDSHAKE
    assert "budget_spent was refused" in caplog.text
    journal.full = False
    await job.reached(State.CLOSING)
    assert_outcome(job, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)


async def test_the_header_has_the_job_id_and_its_budgets(
    lifecycle: StartLifecycle,
) -> None:
    journal = MemoryJournal()
    job = lifecycle(journal=journal, header={"job_id": "job-1"}, budgets={State.CONNECTED: 0.5})
    header, entry = journal.records
    assert (header["kind"], header["seq"], header["job_id"]) == ("job", 0, "job-1")
    assert header["budgets"] == {state: job.budgets[state] for state in BUDGETS}
    assert header["budgets"]["CONNECTED"] == 0.5
    assert (entry["kind"], entry["from"], entry["event"]) == ("transition", None, None)
    assert entry["to"] == "HANDSHAKE"


async def test_times_count_from_the_receipt_of_the_job(lifecycle: StartLifecycle) -> None:
    now = asyncio.get_running_loop().time()
    job = lifecycle(received_at=now - 2.5)
    await job.fire(Event.ROOM_CONNECTED)
    assert [x.t for x in job.transitions] == [2.5, 2.5]


async def test_a_journal_file_reads_back_as_the_jobs_history(
    lifecycle: StartLifecycle, tmp_path: Path
) -> None:
    job = lifecycle(journal=(journal := FileJournal(tmp_path / "job.jsonl")))
    await take(job, *way_to(State.CLOSED))
    journal.close()
    assert history_of(tmp_path / "job.jsonl") == history_of(job)
    assert list(history_of(job).transitions) == [x for x in job.transitions if not x.internal]
    json.dumps(history_of(job).as_json())
