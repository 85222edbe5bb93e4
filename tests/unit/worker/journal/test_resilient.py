"""A job's journal on a disk that may fail."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from states import (
    Condition,
    Event,
    FileJournal,
    JournalError,
    Lifecycle,
    MemoryJournal,
    State,
    Status,
)
from states.journal import read_records
from tests.support.virtual.job_parts import TinyApplication, rig, run_for_ever, settings_in
from worker.audio.sinks import QUEUE_S
from worker.journal import job_journal, resilient
from worker.journal.job_journal import open_journal
from worker.journal.resilient import SYNC_WITHIN_S, DiskFaultTolerantJournal, JournalSlow

if TYPE_CHECKING:
    from pathlib import Path

    from states.transition import Transition


OTHER = Condition(resource="other", status=Status.LOST, reason="Gone")


def refuse(disk: pytest.MonkeyPatch, number: int) -> None:
    def write(_: int, __: bytes) -> int:
        raise OSError(number, os.strerror(number))

    disk.setattr("states.file_journal.os.write", write)


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
        disk.setattr("states.file_journal.os.write", lambda fd, data: write(fd, data[:7]))
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


# --- a record that cannot be encoded --------------------------------------------------------------


async def test_a_record_that_cannot_be_encoded_keeps_no_later_record_from_the_disk(
    tmp_path: Path,
) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    journal.append("turn", 0.0, text="half a pair: \ud83d", tenant=uuid.UUID(int=7))
    journal.append("turn", 1.0, text="whole")
    assert (journal.problem, journal.lost) == (None, False)
    assert read_records(journal.path).records == journal.records
    assert journal.records[0]["replaced"] == ["text", "tenant"]
    await journal.commit()
    journal.close()


async def test_a_job_whose_header_cannot_be_encoded_can_still_be_ended(tmp_path: Path) -> None:
    app = TinyApplication(on_run=run_for_ever)
    app.header = lambda: {"tenant": uuid.UUID(int=7), "path": "\udcff"}  # type: ignore[method-assign]
    made = rig(tmp_path, app)
    life = asyncio.create_task(made.live())
    await made.job.life.reached(State.RUNNING)
    made.job.life.post(Event.SHUTDOWN_REQUESTED)
    await life
    assert made.job.life.state is State.CLOSED
    assert made.history.header["tenant"] == str(uuid.UUID(int=7))


# --- a disk without locks, or one that hangs ------------------------------------------------------


def test_on_a_disk_without_locks_the_journal_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_: int, __: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("states.file_journal.fcntl.flock", flock)
    assert type(open_journal(settings_in(tmp_path), "AJ_1")) is MemoryJournal
    assert list((tmp_path / "journals").iterdir()) == []


class HangingDisk:
    """A call of `os` that hangs in every thread, for files in the folder, until `answer`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
        self._answers = threading.Event()
        self.asked = threading.Event()
        original = getattr(os, call)

        def hang(*arguments: Any, **options: Any) -> Any:
            if not self._answers.is_set():
                assert threading.current_thread() is not threading.main_thread()
                self.asked.set()
                self._answers.wait()
            return original(*arguments, **options)

        monkeypatch.setattr(f"states.file_journal.os.{call}", hang)

    def answer(self) -> None:
        self._answers.set()


async def test_a_write_that_hangs_is_waited_for_once_and_no_record_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resilient, "WRITE_WITHIN_S", 0.05)
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    changes: asyncio.Queue[str | None] = asyncio.Queue()
    journal.on_change = lambda: changes.put_nowait(journal.problem)
    journal.append("turn", 0.0)
    with monkeypatch.context() as patch:
        disk = HangingDisk(patch, "write")
        journal.append("turn", 1.0)
        assert await changes.get() == "DiskSlow"
        monkeypatch.setattr(resilient, "WRITE_WITHIN_S", 3600.0)
        journal.append("turn", 2.0)  # would take an hour if it waited
        assert journal.lost
        assert [record["seq"] for record in journal.records] == [0, 1, 2]
        with pytest.raises(JournalSlow):
            await journal.commit()
        disk.answer()
        assert await changes.get() is None
    assert not journal.lost
    await journal.commit()
    assert numbers(journal) == [0, 1, 2]
    journal.append("turn", 3.0)
    assert numbers(journal) == [0, 1, 2, 3]
    journal.close()


async def test_a_transition_takes_effect_only_after_its_record_was_given_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    async with Lifecycle(journal=journal) as life:
        on_disk: list[str] = []

        def look(transition: Transition) -> None:
            on_disk.append(read_records(journal.path).records[-1]["to"])

        life.subscribe(look)
        await life.fire(Event.HANDSHAKE_FAILED)
        await life.fire(Event.CLOSED)
    journal.close()
    assert on_disk == [State.CLOSING, State.CLOSED]


async def test_a_heartbeat_that_hangs_blocks_nothing_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    with monkeypatch.context() as patch:
        disk = HangingDisk(patch, "utime")
        for _ in range(3):
            journal.touch()
        await asyncio.to_thread(disk.asked.wait)
        disk.answer()
        journal.append("turn", 0.0)
    assert numbers(journal) == [0]
    journal.close()


async def test_closing_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resilient, "WRITE_WITHIN_S", 0.05)
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    with monkeypatch.context() as patch:
        disk = HangingDisk(patch, "write")
        journal.append("turn", 0.0)
        monkeypatch.setattr(resilient, "WRITE_WITHIN_S", 3600.0)
        journal.close()
        with pytest.raises(JournalError, match="closed"):
            journal.append("turn", 1.0)
        disk.answer()
        while numbers(journal) != [0]:
            pass
    assert numbers(journal) == [0]


def test_a_disk_that_hangs_when_a_job_starts_gives_a_journal_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_journal, "OPEN_WITHIN_S", 0.05)
    with monkeypatch.context() as patch:
        disk = HangingDisk(patch, "open")
        assert type(open_journal(settings_in(tmp_path), "AJ_1")) is MemoryJournal
        disk.answer()
    for thread in threading.enumerate():
        if thread.name == "open-journal":
            thread.join()
    assert list((tmp_path / "journals").iterdir()) == []


# --- what counts as safe --------------------------------------------------------------------------


async def test_after_a_failed_sync_a_successful_write_does_not_mean_that_the_disk_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = DiskFaultTolerantJournal(tmp_path / "j.jsonl")
    journal.append("turn", 0.0)
    with monkeypatch.context() as disk:

        def fail(_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        disk.setattr(os, "fsync", fail)
        with pytest.raises(JournalError, match="Input/output error"):
            await journal.commit()
    assert journal.problem == "DiskFailed"
    journal.append("turn", 1.0)
    assert journal.problem == "DiskFailed"
    await journal.commit()
    assert journal.problem is None
    journal.close()


async def test_a_journal_whose_volume_was_removed_is_reported_until_the_volume_is_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "journals"
    journal = DiskFaultTolerantJournal(folder / "j.jsonl")
    changes: asyncio.Queue[str | None] = asyncio.Queue()
    journal.on_change = lambda: changes.put_nowait(journal.problem)
    journal.touch()
    folder.rename(tmp_path / "removed")
    while journal.problem is None:
        journal.touch()
        await asyncio.sleep(0)
    assert await changes.get() == "DiskGone"
    journal.append("turn", 0.0)
    assert journal.problem == "DiskGone"
    (tmp_path / "removed").rename(folder)
    while journal.problem is not None:
        journal.touch()
        await asyncio.sleep(0)
    assert numbers(journal) == [0]
    journal.close()


def test_a_disk_that_hangs_blocks_the_event_loop_for_less_than_the_audio_queued_ahead() -> None:
    assert resilient.WRITE_WITHIN_S < QUEUE_S
