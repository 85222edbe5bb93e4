"""Which journals of a shared folder may be written by a job on another host."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.virtual.job_parts import rig
from tests.support.virtual.journal_parts import numbered, record, write
from worker.journal import owner
from worker.journal.owner import SILENT_ELSEWHERE_S, OtherHosts, owner_fields

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = {"host": "another", "boot_id": "another boot"}


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def journal_of(folder: Path, **owner: Any) -> Path:
    path = folder / "AJ_1.jsonl"
    write(path, numbered([record("job", 0.0, job_id="AJ_1", **owner)]))
    return path


async def test_the_header_of_a_job_names_its_host(tmp_path: Path) -> None:
    held = rig(tmp_path)
    await held.live()
    assert owner_fields().items() <= held.history.header.items()
    assert held.history.header["host"] == socket.gethostname()


def test_a_journal_of_this_boot_is_not_of_another_host(tmp_path: Path) -> None:
    """Two containers on one machine have different names, and see each other's locks."""
    path = journal_of(tmp_path, **(owner_fields() | {"host": "another container"}))
    assert not OtherHosts().may_write(path)


def test_a_journal_of_version_0_1_0_names_no_host_and_is_not_of_another(tmp_path: Path) -> None:
    assert not OtherHosts().may_write(journal_of(tmp_path))


def test_a_journal_of_another_host_is_left_alone_while_it_changes(tmp_path: Path) -> None:
    clock = Clock()
    others, path = OtherHosts(clock=clock), journal_of(tmp_path, **ELSEWHERE)
    for heartbeat in range(5):
        os.utime(path, (heartbeat, heartbeat))  # by a clock that is wrong by decades
        assert others.may_write(path)
        clock.now += SILENT_ELSEWHERE_S + 1
    write(path, [record("turn", 1.0)])
    os.utime(path, (4, 4))
    assert others.may_write(path)


def test_a_journal_of_another_host_counts_as_left_after_a_long_silence(tmp_path: Path) -> None:
    clock = Clock()
    others, path = OtherHosts(clock=clock), journal_of(tmp_path, **ELSEWHERE)
    assert others.may_write(path)
    clock.now += SILENT_ELSEWHERE_S - 1
    assert others.may_write(path)
    clock.now += 1
    assert not others.may_write(path)


@pytest.mark.parametrize("content", [b"", b'{"v":1,"seq":0,"t":0,"ki'])
def test_a_journal_without_a_header_may_have_just_been_created_on_any_host(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "AJ_1.jsonl"
    path.write_bytes(content)
    assert OtherHosts().may_write(path)


@pytest.mark.parametrize("content", [b"\xff\n", b"[]\n", b"[" * 100_000 + b"\n"], ids=range(3))
def test_a_damaged_header_names_no_other_host(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "AJ_1.jsonl"
    path.write_bytes(content)
    assert not OtherHosts().may_write(path)


def test_a_fifo_or_a_missing_journal_is_not_of_another_host(tmp_path: Path) -> None:
    path = tmp_path / "AJ_1.jsonl"
    assert not OtherHosts().may_write(path)
    os.mkfifo(path)
    assert not OtherHosts().may_write(path)


def test_without_an_id_of_the_boot_the_names_of_the_hosts_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "boot_id", lambda: None)
    assert set(owner_fields()) == {"host"}
    path = journal_of(tmp_path, **owner_fields())
    assert not OtherHosts().may_write(path)
    path.unlink()
    assert OtherHosts().may_write(journal_of(tmp_path, host="another"))


def test_journals_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    others, path = OtherHosts(clock=clock), journal_of(tmp_path, **ELSEWHERE)
    assert others.may_write(path)
    others.forget_all_but({"AJ_1"})
    clock.now += SILENT_ELSEWHERE_S
    assert not others.may_write(path)
    others.forget_all_but(())
    assert others.may_write(path)
