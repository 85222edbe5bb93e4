"""Liveness of a job: its process runs and its journal is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from worker.journal import liveness as journal_liveness
from worker.journal.liveness import SILENT_S, Liveness, is_alive


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "AJ_1.jsonl"
    path.touch()
    return path


def untouched_for(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_job_with_a_recently_touched_journal_is_alive(journal: Path) -> None:
    assert is_alive(journal, os.getpid())
    assert is_alive(journal, None)


def test_a_job_with_a_stale_journal_is_not_alive(journal: Path) -> None:
    untouched_for(journal, SILENT_S + 0.1)
    assert not is_alive(journal, os.getpid())


def test_a_clock_set_back_by_an_hour_does_not_make_a_job_dead(journal: Path) -> None:
    untouched_for(journal, -3600)
    assert is_alive(journal, os.getpid())


def test_without_a_journal_on_the_disk_the_process_decides(tmp_path: Path) -> None:
    assert is_alive(tmp_path / "none.jsonl", os.getpid())


def test_a_disk_that_rejects_touches_does_not_make_a_job_dead(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched_for(journal, 600)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert is_alive(journal, os.getpid())


@pytest.mark.row("S13")
def test_a_stopped_process_is_not_alive_until_it_continues(journal: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert is_alive(journal, child.pid)
        os.kill(child.pid, signal.SIGSTOP)
        # Return once the process is stopped.
        os.waitpid(child.pid, os.WUNTRACED)
        assert not is_alive(journal, child.pid)
        os.kill(child.pid, signal.SIGCONT)
        os.waitpid(child.pid, os.WCONTINUED)
        assert is_alive(journal, child.pid)
        child.kill()


def test_an_ended_process_counts_as_alive_since_its_waiter_reports_the_end(journal: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert is_alive(journal, child.pid)


# --- all jobs of a worker -------------------------------------------------------------------------


async def test_only_jobs_with_a_heartbeat_and_a_running_process_are_living(tmp_path: Path) -> None:
    for job_id in ("AJ_1", "AJ_2", "AJ_3"):
        (tmp_path / f"{job_id}.jsonl").touch()
    untouched_for(tmp_path / "AJ_2.jsonl", SILENT_S + 0.1)
    jobs = {"AJ_1": os.getpid(), "AJ_2": os.getpid(), "AJ_3": None, "AJ_none": None}
    assert await Liveness(tmp_path).living(jobs) == ["AJ_1", "AJ_3", "AJ_none"]


@pytest.mark.parametrize(("read_every_s", "living"), [(60.0, ["AJ_1"]), (0.0, [])])
async def test_the_heartbeats_are_read_again_after_a_second(
    journal: Path, monkeypatch: pytest.MonkeyPatch, read_every_s: float, living: list[str]
) -> None:
    monkeypatch.setattr(journal_liveness, "READ_EVERY_S", read_every_s)
    liveness = Liveness(journal.parent)
    liveness._heartbeats._within_s = 60.0
    assert await liveness.living({"AJ_1": None}) == ["AJ_1"]
    untouched_for(journal, SILENT_S + 0.1)
    assert await liveness.living({"AJ_1": None}) == living


async def test_without_jobs_no_thread_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    assert await Liveness(tmp_path).living({}) == []


async def test_a_disk_that_hangs_blocks_no_renewal_and_the_last_heartbeats_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job_id in ("AJ_1", "AJ_2", "AJ_3"):
        (tmp_path / f"{job_id}.jsonl").touch()
    untouched_for(tmp_path / "AJ_2.jsonl", SILENT_S + 0.1)
    answers, loops = threading.Event(), threading.current_thread()
    stat = Path.stat

    def hang(path: Path, **options: Any) -> os.stat_result:
        if path.suffix == ".jsonl":
            assert threading.current_thread() is not loops
            answers.wait()
        return stat(path, **options)

    monkeypatch.setattr(journal_liveness, "READ_EVERY_S", 0.0)
    liveness = Liveness(tmp_path)
    answers.set()
    monkeypatch.setattr(Path, "stat", hang)
    jobs: dict[str, int | None] = dict.fromkeys(("AJ_1", "AJ_2", "AJ_3"))
    liveness._heartbeats._within_s = liveness._processes._within_s = 60.0
    assert await liveness.living(jobs) == ["AJ_1", "AJ_3"]

    answers.clear()
    liveness._heartbeats._within_s = 0.01
    # The process of AJ_3 is stopped, which is not asked of the disk.
    monkeypatch.setattr(journal_liveness, "_process_state", lambda pid: "T" if pid == 3 else "S")
    jobs |= {"AJ_3": 3, "AJ_new": None}
    for _ in range(3):
        assert await liveness.living(jobs) == ["AJ_1", "AJ_new"]
    answers.set()
