"""A job's journal on a disk that may fail."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import pytest

from states import Condition, Event, FileJournal, JournalError, MemoryJournal, State, Status
from states.journal import read_records
from tests.support.virtual.job_parts import TinyApplication, rig, run_for_ever, settings_in
from worker.journal.resilient import (
    SYNC_WITHIN_S,
    DiskFaultTolerantJournal,
    JournalSlow,
    open_journal,
)

if TYPE_CHECKING:
    from pathlib import Path


OTHER = Condition(resource="other", status=Status.LOST, reason="Gone")


def refuse(disk: pytest.MonkeyPatch, number: int) -> None:
    def write(_: int, __: bytes) -> int:
        raise OSError(number, os.strerror(number))

    disk.setattr("states.journal.os.write", write)


def fill(disk: pytest.MonkeyPatch) -> None:
    refuse(disk, errno.ENOSPC)


def numbers(journal: FileJournal) -> list[int]:
    """Return the numbers of the records on the disk."""
    return [record["seq"] for record in read_records(journal.path).records]


def test_a_journal_is_named_after_its_job_in_the_data_folder(tmp_path: Path) -> None:
    journal = open_journal(settings_in(tmp_path), "AJ_1")
    journal.append("fault", 0.0, where="here", error="None")
    journal.close()
    assert len(read_records(tmp_path / "journals" / "AJ_1.jsonl").records) == 1


def test_without_a_usable_folder_the_journal_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file")
    journal = open_journal(settings_in(tmp_path), "AJ_1")
    assert type(journal) is MemoryJournal


def test_a_journal_that_is_open_elsewhere_is_not_written(tmp_path: Path) -> None:
    other = FileJournal(tmp_path / "journals" / "AJ_1.jsonl")
    assert type(open_journal(settings_in(tmp_path), "AJ_1")) is MemoryJournal
    other.close()


async def test_records_refused_by_a_full_disk_are_kept_and_written_once_it_has_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    seen: list[int] = []
    journal.subscribe(lambda record: seen.append(record["seq"]))
    journal.append("step", 0.0)
    with monkeypatch.context() as disk:
        fill(disk)
        journal.append("step", 1.0)
        journal.append("step", 2.0)
        assert journal.lost
        assert numbers(journal) == [0]
        assert [record["seq"] for record in journal.records] == [0, 1, 2]
    journal.append("step", 3.0)
    assert not journal.lost
    assert seen == numbers(journal) == [0, 1, 2, 3]
    journal.close()
    assert len(caplog.records) == 2


async def test_commit_raises_for_records_that_are_not_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    journal.append("turn", 0.0)
    await journal.commit()
    fill(monkeypatch)
    journal.append("turn", 1.0)
    with pytest.raises(JournalError, match="in memory only"):
        await journal.commit()
    journal.close()


def test_a_line_torn_by_a_full_disk_does_not_damage_other_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    journal.append("step", 0.0)
    with monkeypatch.context() as disk:
        disk.setattr("states.journal.os.write", lambda fd, data: write(fd, data[:7]))
        journal.append("step", 1.0)
        assert numbers(journal) == [0]
    journal.append("step", 2.0)
    assert numbers(journal) == [0, 1, 2]
    journal.close()


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (errno.ENOSPC, "DiskFull"),
        (errno.EDQUOT, "DiskFull"),
        (errno.EROFS, "DiskReadOnly"),
        (errno.EIO, "DiskFailed"),
    ],
)
async def test_a_disk_error_is_a_condition_of_the_job_until_the_disk_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, problem: str
) -> None:
    made = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    life = asyncio.create_task(made.live())
    await made.job.life.reached(State.RUNNING)
    with monkeypatch.context() as disk:
        refuse(disk, number)
        made.job.recorder.refusal("here", "Something")
        await made.job.tell(OTHER)
        condition = made.job.life.conditions["journal"]
        assert (condition.status, condition.reason) == (Status.LOST, problem)
    await made.job.tell(OTHER)
    assert made.job.life.conditions["journal"].status is Status.READY
    made.job.life.post(Event.SHUTDOWN_REQUESTED)
    await life
    assert [each.reason for each in made.history.conditions if each.resource == "journal"] == [
        "OnDisk"
    ]
    assert made.job.life.state is State.CLOSED


@pytest.mark.parametrize("where", ["open", "write"])
async def test_a_job_that_starts_without_its_disk_is_degraded(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "open":
        (tmp_path / "journals").write_text("a file")
    else:
        fill(monkeypatch)
    made = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    life = asyncio.create_task(made.live())
    await made.job.life.reached(State.RUNNING)
    assert State.DEGRADED in [each.target for each in made.job.life.transitions]
    assert made.job.life.conditions.missing == ("journal",)
    made.job.life.post(Event.SHUTDOWN_REQUESTED)
    await life


# --- a slow disk ----------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_a_hung_disk_is_waited_for_once_and_recovers_when_it_responds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    hangs, asked = asyncio.Event(), []

    async def sync(_: FileJournal) -> None:
        asked.append(loop.time())
        await hangs.wait()

    monkeypatch.setattr(FileJournal, "commit", sync)
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    told: list[str | None] = []
    journal.on_change = lambda: told.append(journal.problem)
    waited = []
    for n in range(3):
        journal.append("turn", float(n))
        began = loop.time()
        with pytest.raises(JournalSlow):
            await journal.commit()
        waited.append(loop.time() - began)
    assert waited == pytest.approx([SYNC_WITHIN_S, 0, 0], abs=1e-6)
    assert len(asked) == 1
    hangs.set()
    await asyncio.sleep(0.01)
    # One further sync, which was in time, covers the other commits.
    assert len(asked) == 2
    assert told == ["DiskSlow", None]
    journal.append("turn", 3.0)
    await journal.commit()
    assert numbers(journal) == [0, 1, 2, 3]
    journal.close()


async def test_two_concurrent_commits_are_both_on_the_disk(tmp_path: Path) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    journal.append("turn", 0.0)
    first = asyncio.create_task(journal.commit())
    await asyncio.sleep(0)
    journal.append("turn", 1.0)
    await asyncio.gather(first, journal.commit())
    assert journal.problem is None
    journal.close()


def test_a_closed_journal_refuses_records(tmp_path: Path) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append("step", 0.0)
    assert not journal.lost


@pytest.mark.row("B10")
async def test_a_partial_answer_is_written_to_disk_immediately(tmp_path: Path) -> None:
    a = rig(tmp_path)
    seq = a.job.recorder.hearing("I led", "a team", "q1")
    a.job.recorder.away(2.0)

    heard, away = read_records(a.path).records[-2:]

    assert (heard["seq"], heard["kind"], heard["question_id"]) == (seq, "hearing", "q1")
    assert (heard["final"], heard["interim"]) == ("I led", "a team")
    assert (away["where"], away["error"], away["away_s"]) == ("room", "RoomAway", 2.0)
    a.job.life.journal.close()


async def test_recording_a_partial_answer_does_not_raise_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = rig(tmp_path)
    with monkeypatch.context() as disk:
        fill(disk)
        a.job.recorder.hearing("I led", "", "q1")
        a.job.recorder.away(2.0)
    a.job.life.journal.close()
