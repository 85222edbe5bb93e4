"""Ingestion of a dead job's journal if two workers share a machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from states import JournalError
from tests.support.virtual.journal_parts import START, numbered, write
from worker.journal.recovery import SHIPPED, close_journal, ingest_journal

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_journal_that_another_worker_has_moved_away_stays_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    put_away = tmp_path / SHIPPED / path.name
    write(put_away, numbered(START))
    before = put_away.read_bytes()
    unused_database: Any = None
    assert not await ingest_journal(unused_database, path)
    assert put_away.read_bytes() == before
    assert not path.exists()


def test_a_fifo_among_the_journals_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    os.mkfifo(path)
    with pytest.raises(JournalError, match="it is not a file"):
        close_journal(path, exit_code=None, signal=None)
