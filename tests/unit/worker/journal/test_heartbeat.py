"""The heartbeat of a job: once a second, and only while its event loop runs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from states import FileJournal, MemoryJournal
from worker.journal.heartbeat import heartbeat

pytestmark = pytest.mark.looptime


async def test_the_journal_is_touched_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(tmp_path / "AJ_1.jsonl")
    touched: list[float] = []
    monkeypatch.setattr(os, "utime", lambda _: touched.append(asyncio.get_running_loop().time()))
    async with heartbeat(journal):
        await asyncio.sleep(10.5)
    await asyncio.sleep(10)
    assert touched == pytest.approx(list(range(11)))
    journal.close()


async def test_a_touch_updates_the_files_modification_time(tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    journal = FileJournal(path)
    os.utime(path, (0, 0))
    async with heartbeat(journal):
        await asyncio.sleep(0.1)
    assert path.stat().st_mtime > 1_000_000
    journal.close()


async def test_the_heartbeat_of_a_closed_or_in_memory_journal_does_not_raise(
    tmp_path: Path,
) -> None:
    journal = FileJournal(tmp_path / "AJ_1.jsonl")
    journal.close()
    for each in (journal, MemoryJournal()):
        async with heartbeat(each):
            await asyncio.sleep(3)
