"""Ingestion of a dead job's journal if two workers share a machine."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from states import JournalError
from tests.support.virtual.journal_parts import START, numbered, record, write
from worker.journal import recovery
from worker.journal.recovery import (
    SHIPPED,
    Ingestion,
    JournalUnreachable,
    close_journal,
    ingest_journal,
)

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_journal_that_another_worker_has_moved_away_stays_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    put_away = tmp_path / SHIPPED / path.name
    write(put_away, numbered(START))
    before = put_away.read_bytes()
    unused_database: Any = None
    assert await ingest_journal(unused_database, path) is Ingestion.GONE
    assert put_away.read_bytes() == before
    assert not path.exists()


def test_a_fifo_among_the_journals_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    os.mkfifo(path)
    with pytest.raises(JournalError, match="it is not a file"):
        close_journal(path, exit_code=None, signal=None)


async def test_a_disk_that_hangs_ends_the_attempt_and_a_later_one_finds_the_journal_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "AJ_1.jsonl"
    write(path, numbered(START))
    answers = threading.Event()
    close = close_journal

    def hang(*arguments: Any, **how: Any) -> Any:
        with recovery._locked(path):
            answers.wait()
        return close(*arguments, **how)

    monkeypatch.setattr(recovery, "close_journal", hang)
    unused_database: Any = None
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "DISK_WITHIN_S", 0.05)
        with pytest.raises(JournalUnreachable, match="did not answer"):
            await ingest_journal(unused_database, path)
    monkeypatch.setattr(recovery, "close_journal", close)
    assert await ingest_journal(unused_database, path) is Ingestion.RUNNING
    answers.set()


def test_a_journal_on_a_disk_without_locks_is_an_error_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_: int, __: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    path = tmp_path / "AJ_1.jsonl"
    write(path, numbered(START))
    before = path.read_bytes()
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(JournalError, match="cannot lock the journal"):
        close_journal(path, exit_code=None, signal=None)
    assert path.read_bytes() == before


@pytest.mark.parametrize("result", list(Ingestion))
def test_only_a_stored_journal_counts_as_ingested(result: Ingestion) -> None:
    assert bool(result) is (result is Ingestion.STORED)


@pytest.mark.parametrize("changed", [{"exit_code": "one"}, {"at": "yesterday"}, {"signal": 1e9}])
def test_an_exit_record_that_the_database_cannot_store_gets_a_successor(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    path = tmp_path / "AJ_1.jsonl"
    damaged = record("exit", 61.0, exit_code=0, signal=None) | changed
    write(path, numbered((*START, damaged)))
    closed = close_journal(path, exit_code=1, signal=None)
    assert [each["kind"] for each in closed.records[-2:]] == ["exit", "exit"]
    assert closed.records[-1]["exit_code"] == 1
    assert close_journal(path, exit_code=1, signal=None).records == closed.records
