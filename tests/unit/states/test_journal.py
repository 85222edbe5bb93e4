from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from states import FileJournal, JournalError, MemoryJournal
from states.journal import (
    FORMAT_VERSION,
    MAX_BYTES,
    JournalGone,
    JournalLocked,
    JournalTooNew,
    read_records,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journals" / "job.jsonl"


def write(path: Path, *names: str) -> None:
    """Write a closed journal with one step record for each name."""
    journal = FileJournal(path)
    for name in names:
        journal.append("step", 0.0, name=name)
    journal.close()


def names_in(path: Path) -> list[str]:
    return [record["name"] for record in read_records(path).records]


def test_a_record_has_version_number_two_timestamps_and_kind() -> None:
    journal = MemoryJournal(now=lambda: datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    assert journal.append("step", 0.12345678, name="connect") == {
        "v": FORMAT_VERSION,
        "seq": 0,
        "at": "2026-01-02T03:04:05.000678Z",
        "t": 0.123457,
        "kind": "step",
        "name": "connect",
    }


def test_records_in_memory_and_in_the_file_are_equal(path: Path) -> None:
    journal = FileJournal(path)
    journal.append("turn", 1.0, speaker="candidate", text="naïve “日本” \u2028 \r\n \x00 🎤")
    assert read_records(path).records == journal.records
    journal.close()


def test_records_survive_and_numbering_continues_when_the_file_is_reopened(path: Path) -> None:
    write(path, "first", "second")
    journal = FileJournal(path)
    assert [record["name"] for record in journal.records] == ["first", "second"]
    assert journal.append("step", 1.0, name="third")["seq"] == 2
    journal.close()
    assert [record["seq"] for record in read_records(path).records] == [0, 1, 2]


@pytest.mark.row("B10")
@pytest.mark.parametrize("missing", [1, 2, 30])
def test_a_torn_last_line_is_cut_off_and_reported(path: Path, missing: int) -> None:
    write(path, "whole", "torn")
    whole = path.read_bytes()
    path.write_bytes(whole[:-missing])
    torn = len(whole.splitlines(keepends=True)[1]) - missing

    assert read_records(path).torn_bytes == torn
    journal = FileJournal(path)
    assert journal.torn_bytes == torn
    assert journal.append("step", 1.0, name="next")["seq"] == 1
    journal.close()
    assert names_in(path) == ["whole", "next"]


def test_a_partial_character_at_the_end_is_a_torn_line(path: Path) -> None:
    write(path, "whole", "日本")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index("本".encode()) + 1])
    assert names_in(path) == ["whole"]
    assert FileJournal(path).torn_bytes > 0


def test_zeros_at_the_end_after_a_power_loss_are_a_torn_line(path: Path) -> None:
    write(path, "whole")
    with path.open("ab") as file:
        file.write(b"\0" * 512)
    assert names_in(path) == ["whole"]
    assert read_records(path).torn_bytes == 512


def test_an_empty_file_is_a_journal_without_records(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    found = read_records(path)
    assert (found.records, found.torn_bytes) == ([], 0)


def test_garbage_in_the_middle_is_refused_with_its_line_number(path: Path) -> None:
    write(path, "first", "second", "third")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(JournalError, match=r"job\.jsonl:2: not a record"):
        read_records(path)
    with pytest.raises(JournalError, match=r"job\.jsonl:2: not a record"):
        FileJournal(path)
    assert path.read_bytes() == lines[0] + b"garbage\n" + lines[2]


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b'{"v":"1","seq":0,"t":0,"kind":"x"}',
        b'{"v":1,"seq":null,"t":0,"kind":"x"}',
        b'{"v":1,"seq":0,"t":null,"kind":"x"}',
        b'{"v":1,"seq":0,"t":Infinity,"kind":"x"}',
        b'{"v":1,"seq":0,"t":true,"kind":"x"}',
        b'{"v":1,"seq":0,"t":0,"kind":7}',
        b'{"v":1,"seq":-1,"t":0,"kind":"x"}',
        b'{"v":1,"seq":true,"t":0,"kind":"x"}',
        b'{"v":1,"seq":9007199254740993,"t":0,"kind":"x"}',
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_json_that_is_not_a_record_is_refused(path: Path, line: bytes) -> None:
    write(path, "first")
    path.write_bytes(line + b"\n" + path.read_bytes())
    with pytest.raises(JournalError, match=":1: not a record"):
        read_records(path)


def test_a_carriage_return_in_place_of_a_line_feed_loses_no_later_record(path: Path) -> None:
    write(path, "first", "second", "third", "fourth")
    lines = path.read_bytes().split(b"\n")
    damaged = lines[0] + b"\n" + lines[1] + b"\r" + lines[2] + b"\n" + lines[3] + b"\n"
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match=r"job\.jsonl:2: not a record"):
        FileJournal(path)
    assert path.read_bytes() == damaged
    found = read_records(path, pass_over_damage=True)
    assert [record["name"] for record in found.records] == ["first", "fourth"]
    assert (found.damaged, found.torn_bytes) == (1, 0)


def test_the_line_breaks_of_windows_are_read(path: Path) -> None:
    write(path, "first", "second")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert names_in(path) == ["first", "second"]


def test_a_fifo_is_refused_and_not_waited_for(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(JournalError, match="it is not a file"):
        read_records(path)


def test_a_file_that_is_too_large_for_a_journal_is_refused_unread(path: Path) -> None:
    write(path, "first")
    os.truncate(path, MAX_BYTES + 1)  # sparse: it takes no room on the disk
    with pytest.raises(JournalError, match="it is larger than 256 MiB"):
        read_records(path)


def test_a_newer_format_is_refused_and_not_treated_as_a_torn_line(path: Path) -> None:
    write(path, "first")
    newer = {"v": FORMAT_VERSION + 1, "seq": 1, "t": 0.0, "kind": "step"}
    with path.open("a") as file:
        file.write(json.dumps(newer) + "\n")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r":2: format 2 is newer than 1"):
        FileJournal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    ['{"v": 2}', '{"v": 2, "seq": "a", "at": 1}', f'{{"v": {"9" * 4000}}}'],
    ids=range(3),
)
def test_a_record_of_a_newer_format_may_have_other_fields(path: Path, line: str) -> None:
    write(path, "first")
    with path.open("a") as file:
        file.write(line + "\n")
    before = path.read_bytes()
    with pytest.raises(JournalTooNew, match="newer than 1") as refused:
        FileJournal(path)
    assert len(str(refused.value)) < len(str(path)) + 200
    assert path.read_bytes() == before


def test_a_journal_that_is_being_written_is_locked(path: Path) -> None:
    journal = FileJournal(path)
    with pytest.raises(JournalLocked) as caught:
        FileJournal(path)
    assert caught.value.path == path
    journal.close()
    FileJournal(path).close()


def test_a_journal_can_be_read_while_it_is_written(path: Path) -> None:
    journal = FileJournal(path)
    for number in range(3):
        journal.append("step", 0.0, name=str(number))
        assert names_in(path) == [str(n) for n in range(number + 1)]
    journal.close()


def test_only_its_owner_may_read_a_journal(path: Path) -> None:
    write(path, "first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_subscriber_receives_every_record_after_it_is_written(path: Path) -> None:
    journal = FileJournal(path)
    written_when_heard: list[int] = []
    journal.subscribe(lambda _: written_when_heard.append(len(read_records(path).records)))
    journal.append("step", 0.0, name="a")
    journal.append("step", 0.0, name="b")
    journal.close()
    assert written_when_heard == [1, 2]


@pytest.fixture
def small_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the journal to 200 bytes: one write is cut short there, the next one fails.

    RLIMIT_FSIZE is no alternative: it applies to the whole process, and so to a file that the test
    run's own output may go to.
    """
    write = os.write

    def write_if_there_is_room(descriptor: int, data: bytes) -> int:
        if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
            return write(descriptor, data)
        room = 200 - path.stat().st_size
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:room])

    monkeypatch.setattr(os, "write", write_if_there_is_room)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_reported_and_leaves_no_partial_record(path: Path) -> None:
    journal = FileJournal(path)
    journal.append("step", 0.0, name="fits")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="cannot write"):
        journal.append("step", 0.0, name="x" * 300)
    assert path.read_bytes() == before
    assert journal.append("step", 0.0, name="fits")["seq"] == 1
    journal.close()
    assert names_in(path) == ["fits", "fits"]
    assert len(journal.records) == 2


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot write the journal"):
        FileJournal(tmp_path / "file" / "job.jsonl")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="Permission denied"):
        FileJournal(tmp_path / "job.jsonl")


def test_reading_a_missing_file_is_reported(path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        read_records(path)


def test_a_closed_journal_refuses_records_and_may_be_closed_twice(path: Path) -> None:
    journal = FileJournal(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.append("step", 0.0)


@pytest.mark.row("B10")
async def test_a_commit_syncs_the_file_off_the_event_loop(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def fsync(fd: int) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        synced.append(os.fstat(fd).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    journal = FileJournal(path)
    await journal.commit()
    journal.close()
    assert len(synced) == 2  # the file and its folder


async def test_a_commit_that_fails_is_reported(path: Path) -> None:
    journal = FileJournal(path)
    journal.close()
    with pytest.raises(JournalError):
        await journal.commit()


def test_reopening_a_deleted_journal_does_not_create_it(path: Path) -> None:
    path.parent.mkdir()
    with pytest.raises(JournalGone):
        FileJournal(path, again=True)
    assert not path.exists()
    write(path, "first")
    journal = FileJournal(path, again=True)
    assert journal.append("step", 1.0, name="second")["seq"] == 1
    journal.close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_reported_and_gets_no_empty_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(_: int, __: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(JournalError, match="cannot lock the journal"):
        FileJournal(path)
    assert not path.exists()
