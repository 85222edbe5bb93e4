"""Syncing a journal: what counts as safe after a failure of the disk."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from states import FileJournal, JournalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def inode(path: Path) -> int:
    return path.stat().st_ino


def fail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next fsync fail, as a disk does on which a block cannot be written."""
    fsync: Callable[[int], None] = os.fsync

    def fail(_: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)


async def test_records_of_a_failed_sync_are_written_again_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.jsonl"
    journal = FileJournal(path)
    journal.append("turn", 0.0, text="safe")
    await journal.commit()
    safe = path.stat().st_size
    journal.append("turn", 1.0, text="at risk")
    fail_once(monkeypatch)
    with pytest.raises(JournalError, match="Input/output error"):
        await journal.commit()
    whole = path.read_bytes()
    # The kernel drops the pages that it could not write, and reads the disk instead.
    with path.open("r+b") as disk:
        disk.seek(safe)
        disk.write(bytes(len(whole) - safe))
    journal.append("turn", 2.0, text="later")

    await journal.commit()

    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().endswith(b'"later"}\n')
    journal.close()


async def test_a_sync_after_a_failure_fails_as_long_as_the_file_has_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.jsonl"
    journal = FileJournal(path)
    journal.append("turn", 0.0)
    fail_once(monkeypatch)
    with pytest.raises(JournalError):
        await journal.commit()
    path.rename(tmp_path / "elsewhere")
    path.write_text("another file\n")
    with pytest.raises(JournalError):
        await journal.commit()
    assert path.read_text() == "another file\n"
    (tmp_path / "elsewhere").rename(path)
    await journal.commit()
    journal.close()


async def test_the_first_sync_of_a_new_journal_also_syncs_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    path = tmp_path / "j.jsonl"
    journal = FileJournal(path)
    journal.append("job", 0.0)
    await journal.commit()
    await journal.commit()
    journal.close()
    again = FileJournal(path)
    await again.commit()
    again.close()
    file, folder = inode(path), inode(tmp_path)
    assert synced == [file, folder, file, file]


async def test_a_file_system_that_syncs_no_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inode(tmp_path)

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == folder:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fsync)
    journal = FileJournal(tmp_path / "j.jsonl")
    await journal.commit()
    journal.close()


async def test_a_folder_that_cannot_be_synced_is_an_error_until_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inode(tmp_path)
    journal = FileJournal(tmp_path / "j.jsonl")
    journal.append("job", 0.0)
    with monkeypatch.context() as disk:

        def fsync(descriptor: int) -> None:
            if os.fstat(descriptor).st_ino == folder:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        disk.setattr(os, "fsync", fsync)
        with pytest.raises(JournalError):
            await journal.commit()
    await journal.commit()
    journal.close()
