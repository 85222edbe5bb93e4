"""The journal follower: reads whole records only, each once, while they are written."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.virtual.journal_parts import END, START, lines, write
from worker.telemetry import journal_follower
from worker.telemetry.journal_follower import JournalFollower, News

if TYPE_CHECKING:
    from pathlib import Path


class Reader:
    """A follower and its news."""

    def __init__(self, folder: Path) -> None:
        self.news: list[News] = []
        self.follower = JournalFollower(folder, self.news.append)

    async def look(self) -> None:
        await self.follower.look()

    @property
    def kinds(self) -> list[Any]:
        return [record["kind"] for each in self.news for record in each.records]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


async def test_each_record_is_delivered_once_and_in_order(reader: Reader, tmp_path: Path) -> None:
    reader.follower.follow("AJ_1")
    for record in START:
        write(tmp_path / "AJ_1.jsonl", [record])
        await reader.look()
    await reader.look()

    assert reader.kinds == [record["kind"] for record in START]


async def test_an_incomplete_line_is_read_when_it_is_complete(
    reader: Reader, tmp_path: Path
) -> None:
    path = tmp_path / "AJ_1.jsonl"
    reader.follower.follow("AJ_1")
    text = lines(START[:2])
    path.write_bytes(text[:-20])
    await reader.look()
    assert reader.kinds == ["job"]

    with path.open("ab") as file:
        file.write(text[-20:])
    await reader.look()
    assert reader.kinds == ["job", "transition"]


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b"7\n",
        b'{"kind": 3}\n',
        b'{"kind": "turn"}\n',
        b'{"kind": "turn", "t": true}\n',
        b'{"kind": "turn", "t": NaN}\n',
        b'{"kind": "turn", "t": 1e999}\n',
        b'{"kind": "turn", "t": 1' + b"0" * 400 + b"}\n",
        b"\xff\n",
    ],
    ids=range(10),
)
async def test_a_line_that_is_no_record_is_skipped(
    reader: Reader, tmp_path: Path, line: bytes
) -> None:
    reader.follower.follow("AJ_1")
    (tmp_path / "AJ_1.jsonl").write_bytes(line + lines(START[:1]))
    await reader.look()
    assert reader.kinds == ["job"]


async def test_a_job_without_a_journal_does_not_delay_the_others(
    reader: Reader, tmp_path: Path
) -> None:
    reader.follower.follow("AJ_none")
    reader.follower.follow("AJ_1")
    write(tmp_path / "AJ_1.jsonl", START)
    await reader.look()
    assert len(reader.kinds) == len(START)
    await reader.follower.finish("AJ_none")


async def test_a_renamed_journal_is_read_to_its_end(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    reader.follower.follow("AJ_1")
    write(path, START)
    await reader.look()
    write(path, END)
    path.rename(tmp_path / "elsewhere")
    await reader.follower.finish("AJ_1")
    assert len(reader.kinds) == len(START) + len(END)


async def test_no_file_descriptor_is_left_open(reader: Reader, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for n in range(20):
        write(tmp_path / f"AJ_{n}.jsonl", START)
        reader.follower.follow(f"AJ_{n}")
    await reader.look()
    for n in range(20):
        await reader.follower.finish(f"AJ_{n}")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_one_poll_reads_a_bounded_part_of_a_huge_journal(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_follower, "_MOST_BYTES", 4096)
    write(tmp_path / "AJ_1.jsonl", [*START] * 50)
    reader.follower.follow("AJ_1")
    await reader.look()
    assert 0 < len(reader.kinds) < 50 * len(START)
    await reader.follower.finish("AJ_1")
    assert len(reader.kinds) == 50 * len(START)


async def test_a_line_longer_than_a_poll_is_skipped(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_follower, "_MOST_BYTES", 256)
    (tmp_path / "AJ_1.jsonl").write_bytes(b"x" * 2000 + b"\n" + lines(START[:1]))
    reader.follower.follow("AJ_1")
    await reader.follower.finish("AJ_1")
    assert reader.kinds == ["job"]


async def test_a_line_nested_too_deeply_for_the_parser_is_skipped(
    reader: Reader, tmp_path: Path
) -> None:
    for job_id in ("AJ_1", "AJ_2"):
        reader.follower.follow(job_id)
        write(tmp_path / f"{job_id}.jsonl", START[:1])
    with (tmp_path / "AJ_1.jsonl").open("ab") as file:
        file.write(b"[" * 100_000 + b"\n" + lines(START[1:2]))
    await reader.look()
    assert sorted(reader.kinds) == ["job", "job", "transition"]


async def test_a_journal_that_cannot_be_read_does_not_hide_the_other_jobs(
    reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "AJ_folder.jsonl").mkdir()
    write(tmp_path / "AJ_1.jsonl", START)
    for job_id in ("AJ_folder", "AJ_1"):
        reader.follower.follow(job_id)
    await reader.look()
    assert len(reader.kinds) == len(START)
    assert "the journal of a running job could not be read" in caplog.text
    for job_id in ("AJ_folder", "AJ_1"):
        await reader.follower.finish(job_id)


async def test_a_disk_that_hangs_does_not_delay_the_end_of_a_job_for_ever(
    reader: Reader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for job_id in ("AJ_1", "AJ_2"):
        reader.follower.follow(job_id)
        write(tmp_path / f"{job_id}.jsonl", START[:1])
    await reader.look()
    asked, answers, pread = threading.Event(), threading.Event(), os.pread

    def hang(descriptor: int, length: int, offset: int) -> bytes:
        asked.set()
        answers.wait()
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", hang)
    polling = asyncio.create_task(reader.look())
    await asyncio.to_thread(asked.wait)
    with monkeypatch.context() as patch:
        patch.setattr(journal_follower, "FINISH_WITHIN_S", 0.05)
        await reader.follower.finish("AJ_1")
    assert "could not be read in time" in caplog.text

    answers.set()
    await polling
    await reader.follower.finish("AJ_2")
    assert len(os.listdir("/proc/self/fd")) == before
