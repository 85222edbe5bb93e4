"""A job's journal, on a disk that may fail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from job_parts import settings_in

from states import FileJournal, JournalError, MemoryJournal
from states.journal import read_records
from worker.journal import SurvivingJournal, open_journal

if TYPE_CHECKING:
    from pathlib import Path


def fill(disk: pytest.MonkeyPatch) -> None:
    def no_space(_: int, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    disk.setattr("states.journal.os.write", no_space)


def test_a_journal_lies_in_the_data_folder_under_the_jobs_name(tmp_path: Path) -> None:
    journal = open_journal(settings_in(tmp_path), "AJ_1")
    journal.append("fault", 0.0, where="here", error="None")
    journal.close()
    assert len(read_records(tmp_path / "journals" / "AJ_1.jsonl").records) == 1


def test_where_there_is_no_folder_for_it_the_journal_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file")
    journal = open_journal(settings_in(tmp_path), "AJ_1")
    assert type(journal) is MemoryJournal


def test_a_journal_that_somebody_else_writes_is_left_alone(tmp_path: Path) -> None:
    other = FileJournal(tmp_path / "journals" / "AJ_1.jsonl")
    assert type(open_journal(settings_in(tmp_path), "AJ_1")) is MemoryJournal
    other.close()


async def test_records_after_the_disk_is_full_are_kept_and_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = SurvivingJournal(tmp_path / "j.jsonl")
    seen: list[int] = []
    journal.subscribe(lambda record: seen.append(record["seq"]))
    journal.append("step", 0.0)
    fill(monkeypatch)
    journal.append("step", 1.0)
    monkeypatch.undo()
    journal.append("step", 2.0)
    journal.close()

    assert seen == [0, 1, 2]
    assert [record["seq"] for record in journal.records] == [0, 1, 2]
    # Nothing with a gap before it: whoever reads the file reads a whole beginning.
    assert [record["seq"] for record in read_records(tmp_path / "j.jsonl").records] == [0]
    assert len(caplog.records) == 1


async def test_what_is_not_on_the_disk_is_not_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SurvivingJournal(tmp_path / "j.jsonl")
    journal.append("turn", 0.0)
    await journal.commit()
    fill(monkeypatch)
    journal.append("turn", 1.0)
    with pytest.raises(JournalError, match="in memory only"):
        await journal.commit()
    journal.close()


def test_a_line_torn_by_a_full_disk_costs_the_whole_ones_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    journal = SurvivingJournal(tmp_path / "j.jsonl")
    journal.append("step", 0.0)
    monkeypatch.setattr("states.journal.os.write", lambda fd, data: write(fd, data[:7]))
    journal.append("step", 1.0)
    monkeypatch.undo()
    journal.append("step", 2.0)
    journal.close()
    assert len(read_records(tmp_path / "j.jsonl").records) == 1


def test_a_closed_journal_refuses_records(tmp_path: Path) -> None:
    journal = SurvivingJournal(tmp_path / "j.jsonl")
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append("step", 0.0)
    assert not journal.lost
