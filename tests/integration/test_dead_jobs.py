"""Ingestion of dead jobs' journals, in whatever state the journals are."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from states import FileJournal, MemoryJournal
from states.journal import JournalTooNew, read_records
from tests.support.database.cli_process import command
from worker.cli.common import ExitCode
from worker.journal import recovery
from worker.journal.recovery import (
    DAMAGED,
    SHIPPED,
    Ingestion,
    JournalForeign,
    close_journal,
    ingest_journal,
    ingest_records,
    read_journal,
)
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.jobs import JobHeader, get_job, records_of, ship

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.database import Database

HEADER: dict[str, Any] = {
    "job_id": "AJ_1",
    "interview_id": "iv-1",
    "room": "room-1",
    "worker_id": "AW_1",
    "pid": 7,
}


def written(path: Path, *, header: dict[str, Any] = HEADER) -> Path:
    """Write the journal of a job whose process is gone."""
    journal = FileJournal(path)
    journal.append("job", 0.0, **header, budgets={})
    journal.append("transition", 0.0, **{"from": None, "event": None, "to": "HANDSHAKE"})
    journal.append("fault", 2.5, where="here", error="ValueError")
    journal.close()
    return path


@pytest.mark.row("B10")
async def test_the_journal_of_a_dead_job_is_shipped_with_its_exit_and_moved_away(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert (job.exit_code, job.signal, job.reason) == (-9, 9, "ProcessKilled")
    assert not path.exists()
    kept = read_records(tmp_path / "shipped" / "AJ_1.jsonl").records
    assert kept == await records_of(database, "AJ_1")
    assert kept[-1]["kind"] == "exit"
    assert kept[-1]["t"] == 2.5


async def test_records_that_the_job_shipped_are_not_shipped_twice(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    copy = written(tmp_path / "copy" / "AJ_1.jsonl")
    assert await ingest_journal(database, path, exit_code=0)
    before = await records_of(database, "AJ_1")
    assert await ingest_journal(database, copy, exit_code=0)
    assert len(await records_of(database, "AJ_1")) == len(before)


async def test_the_journal_of_a_living_job_is_left_alone(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    alive = FileJournal(path)
    assert await ingest_journal(database, path) is Ingestion.RUNNING
    alive.close()
    assert path.exists()
    assert await get_job(database, "AJ_1") is None


@pytest.mark.row("B3")
async def test_a_job_that_died_before_its_first_record_is_named_by_its_file(
    tmp_path: Path, database: Database
) -> None:
    path = tmp_path / "AJ_empty.jsonl"
    path.touch()
    assert await ingest_journal(database, path, exit_code=1)
    job = await get_job(database, "AJ_empty")
    assert job is not None
    assert job.exit_code == 1
    assert await get_job(database, "") is None


async def test_a_torn_last_line_is_cut_off_and_the_rest_is_shipped(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":3,"kind":"tur')
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    assert [r["seq"] for r in await records_of(database, "AJ_1")] == [0, 1, 2, 3]
    assert "torn" in caplog.text


async def test_without_the_database_the_journal_stays_and_its_exit_is_written_once(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable("ship", OSError(), "postgresql://database")

    path = written(tmp_path / "AJ_1.jsonl")
    with monkeypatch.context() as patched:
        patched.setattr(recovery, "ship", away)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await ingest_journal(database, path, exit_code=1)
    assert path.exists()
    assert await ingest_journal(database, path, exit_code=1)
    kinds = [record["kind"] for record in await records_of(database, "AJ_1")]
    assert kinds.count("exit") == 1


async def test_a_journal_with_a_refused_record_is_kept_and_all_others_are_stored(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    constraint = "ALTER TABLE turns ADD CHECK (text <> 'refused')"
    await database.run("break", lambda c: c.execute(constraint))
    path = written(tmp_path / "AJ_1.jsonl")
    with path.open("a") as file:
        for seq, text in enumerate(("one", "refused", "two"), start=3):
            record = {"v": 1, "seq": seq, "at": "2026-11-02T10:00:00Z", "t": float(seq)}
            turn = {"kind": "turn", "speaker": "candidate", "text": text}
            file.write(json.dumps(record | turn) + "\n")
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    assert [record["seq"] for record in await records_of(database, "AJ_1")] == [0, 1, 2, 3, 5, 6]
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert job.reason == "ProcessKilled"
    kept = tmp_path / DAMAGED / path.name
    assert b'"refused"' in kept.read_bytes()
    (line,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert getattr(line, "event", "") == "journal_records_refused"
    assert getattr(line, "seqs", []) == [4]
    # Once the cause is repaired, the kept journal is complete.
    drop = "ALTER TABLE turns DROP CONSTRAINT turns_text_check"
    await database.run("mend", lambda c: c.execute(drop))
    assert await ingest_records(database, "AJ_1", read_journal(kept).records) == 1


async def test_a_database_that_refuses_every_journal_keeps_none(
    tmp_path: Path, database: Database
) -> None:
    constraint = "ALTER TABLE jobs ADD CHECK (pid IS NULL)"
    await database.run("break", lambda c: c.execute(constraint))
    path = written(tmp_path / "AJ_1.jsonl")
    with pytest.raises(DatabaseOperationFailed):
        await ingest_journal(database, path, exit_code=0)
    assert path.exists()


def test_closing_a_journal_twice_writes_one_exit(tmp_path: Path) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    first = close_journal(path, exit_code=0, signal=None)
    assert close_journal(path, exit_code=1, signal=None) == first


# --- damaged and foreign journals -----------------------------------------------------------------


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


async def test_the_readable_records_of_a_damaged_journal_are_shipped_and_the_file_kept(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    first, second, *rest = lines_of(path)
    path.write_bytes(b"".join((first, b"\0" * 512 + b"\n", second, b"{edited}\n", *rest)))
    before = path.read_bytes()
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    records = await records_of(database, "AJ_1")
    assert [record["seq"] for record in records] == [0, 1, 2, 3, 4]
    fault, end = records[-2:]
    assert (fault["where"], fault["error"], fault["lines"]) == ("journal", "JournalDamaged", 2)
    assert (end["kind"], end["signal"]) == ("exit", 9)
    assert (tmp_path / DAMAGED / path.name).read_bytes() == before
    assert not path.exists()
    assert "2 lines of a journal cannot be read" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        b'{"v": 1, "seq": 4, "t": null, "kind": "fault"}\n',
        b'{"v": 1, "seq": 4, "t": "9", "kind": "fault"}\n',
        b'{"v": 1, "seq": 4, "t": 1' + b"0" * 400 + b', "kind": "fault"}\n',
        b'{"v": 1, "seq": 4, "t": NaN, "kind": "fault"}\n',
        b'{"v": 1, "seq": 4, "t": 9, "kind": []}\n',
        b"[" * 100_000 + b"\n",
    ],
    ids=["no time", "text as time", "a huge time", "not a number", "a list as kind", "nested"],
)
async def test_a_record_that_no_job_writes_counts_as_damage(
    tmp_path: Path, database: Database, line: bytes
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    path.write_bytes(path.read_bytes() + line + lines_of(path)[-1])
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    fault, end = (await records_of(database, "AJ_1"))[-2:]
    assert (fault["error"], fault["lines"], end["kind"]) == ("JournalDamaged", 1, "exit")


async def test_a_file_that_is_not_a_journal_is_kept_and_its_job_has_ended(
    tmp_path: Path, database: Database
) -> None:
    path = tmp_path / "AJ_1.jsonl"
    path.write_text("this is\nno journal\n")
    assert await ingest_journal(database, path, exit_code=1)
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert (job.exit_code, job.reason) == (1, "ProcessExited")
    assert (tmp_path / DAMAGED / path.name).exists()


async def test_a_journal_of_a_newer_version_stays_for_a_newer_worker(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    with path.open("a") as file:
        file.write('{"v":2,"seq":3,"at":"2026-11-02T10:00:00Z","t":3,"kind":"song"}\n')
    before = path.read_bytes()
    with pytest.raises(JournalTooNew):
        await ingest_journal(database, path)
    assert path.read_bytes() == before
    assert await get_job(database, "AJ_1") is None


async def test_a_copy_under_another_jobs_name_is_refused(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl").rename(tmp_path / "AJ_2.jsonl")
    with pytest.raises(JournalForeign, match="of another job"):
        await ingest_journal(database, path)
    assert path.exists()
    assert await get_job(database, "AJ_2") is None


async def test_an_edited_journal_changes_no_stored_record(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    copy = written(tmp_path / "copy" / "AJ_1.jsonl")
    assert await ingest_journal(database, path, exit_code=0)
    before = await records_of(database, "AJ_1")
    other = copy.read_text().replace('"iv-1"', '"iv-other"').replace("ValueError", "Forged")
    copy.write_text(other)
    assert await ingest_journal(database, copy, exit_code=1)
    assert await records_of(database, "AJ_1") == before
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert (job.interview_id, job.exit_code) == ("iv-1", 0)


async def test_a_gap_is_noted_in_the_exit_record(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    first, _, *rest = lines_of(path)
    path.write_bytes(b"".join((first, *rest)))
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    assert (await records_of(database, "AJ_1"))[-1]["missing"] == 1
    assert "gaps" in caplog.text


async def test_the_exit_comes_after_records_shipped_by_a_job_with_a_full_disk(
    tmp_path: Path, database: Database
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    memory = MemoryJournal(next_seq=3)
    memory.append("turn", 3.0, speaker="candidate", text="forty two")
    await ship(database, JobHeader(job_id="AJ_1"), memory.records)
    assert await ingest_journal(database, path, exit_code=-9, signal=9)
    kinds = [record["kind"] for record in await records_of(database, "AJ_1")]
    assert kinds == ["job", "transition", "fault", "turn", "exit"]
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert job.reason == "ProcessKilled"


async def test_a_full_disk_does_not_keep_the_exit_from_the_database(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = written(tmp_path / "AJ_1.jsonl")
    with monkeypatch.context() as patched:
        patched.setattr("states.file_journal.os.write", full)
        book = close_journal(path, exit_code=-9, signal=9)
    assert book.records[-1]["kind"] == "exit"
    await ingest_records(database, "AJ_1", book.records)
    job = await get_job(database, "AJ_1")
    assert job is not None
    assert job.signal == 9


async def test_a_read_only_disk_does_not_keep_the_exit_from_the_database(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "AJ_1.jsonl")
    opened = os.open

    def read_only(name: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(name, flags, *mode)

    with monkeypatch.context() as patched:
        patched.setattr("states.file_journal.os.open", read_only)
        book = close_journal(path, exit_code=-9, signal=9)
    await ingest_records(database, "AJ_1", book.records)
    assert (await records_of(database, "AJ_1"))[-1]["kind"] == "exit"


# --- repeated ingestion by command ----------------------------------------------------------------


async def test_a_command_ships_kept_journals_again_after_a_restored_backup(
    tmp_path: Path, database: Database, migrated_database_url: str
) -> None:
    settings = {"DATABASE_URL": migrated_database_url}
    shipped = tmp_path / "data" / "journals" / SHIPPED
    path = written(shipped / "AJ_1.jsonl")
    written(shipped / "AJ_foreign.jsonl")
    ended = await command("jobs", "ship", settings=settings, folder=tmp_path)
    assert ended.code == ExitCode.FAILED
    assert "1 journals read, 3 records" in ended.out
    assert "AJ_foreign.jsonl is the journal of another job" in ended.err
    assert [record["seq"] for record in await records_of(database, "AJ_1")] == [0, 1, 2]
    again = await command("jobs", "ship", str(path), settings=settings, folder=tmp_path)
    assert (again.code, again.err) == (ExitCode.OK, "")
    assert again.out.startswith("1 journals read, 0 records")
