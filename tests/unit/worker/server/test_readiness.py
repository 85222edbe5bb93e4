"""The readiness of a worker: it takes no job that it cannot serve, and reports the reason."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual.job_parts import settings_in
from tests.unit.worker.server.test_admission import FakeRequest, Slots
from worker.fallback.shared_breaker import BreakerRecord, SharedBreaker
from worker.server import readiness
from worker.server.admission import SERVER_TARGET_LOAD
from worker.server.agent_server import CLOSED_LOAD
from worker.server.readiness import Readiness, Signs, decide, write_probe
from worker.server.speech_health import speech_problems
from worker.speech import local_models
from worker.telemetry.worker_status import Cause

if TYPE_CHECKING:
    from pathlib import Path

    from worker.config.settings import Settings


@pytest.fixture(autouse=True)
def unchanged_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the environment: a worker configures its job processes through it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


# --- the decision ---------------------------------------------------------------------------------

SIGN = st.none() | st.just("broken")


@given(hearing=SIGN, speaking=SIGN, writing=SIGN, set_up=SIGN)
def test_each_failed_check_gives_its_cause(
    hearing: str | None, speaking: str | None, writing: str | None, set_up: str | None
) -> None:
    signs = Signs(hearing=hearing, speaking=speaking, writing=writing, set_up=set_up)
    causes = {reason.cause for reason in decide(signs)}
    assert (Cause.NO_SPEECH in causes) is (hearing is not None and speaking is not None)
    assert (Cause.CANNOT_WRITE in causes) is (writing is not None)
    assert (Cause.SET_UP_FAILED in causes) is (set_up is not None)


# --- the disk -------------------------------------------------------------------------------------


def test_a_writable_folder_passes_the_probe_which_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "journals"
    assert write_probe(folder) is None
    assert list(folder.iterdir()) == []


def test_a_file_in_place_of_the_folder_fails_the_probe(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "cannot write to" in str(write_probe(tmp_path / "data" / "journals"))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_the_probe_reports_the_disks_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str, call: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        assert write_probe(tmp_path) == f"cannot write to {tmp_path} ({says})"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
async def test_a_worker_whose_disk_has_no_locks_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(_: int, __: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    looking = Readiness(tmp_path)
    await looking.look()
    (reason,) = looking.reasons()
    assert reason.cause is Cause.CANNOT_WRITE
    assert reason.message == f"cannot lock a file in {tmp_path} ({os.strerror(code)})"


def test_the_probe_of_another_container_with_this_pid_is_no_problem(tmp_path: Path) -> None:
    with (tmp_path / f".probe-{os.getpid()}").open("w") as probe:
        fcntl.flock(probe, fcntl.LOCK_EX)
        assert write_probe(tmp_path) is None


async def test_a_worker_whose_volume_was_removed_is_not_ready_until_it_is_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "journals"
    looking = Readiness(folder)
    await looking.look()
    assert looking.reasons() == ()
    volume = folder.rename(tmp_path / "volume")
    await looking.look()
    assert [each.cause for each in looking.reasons()] == [Cause.CANNOT_WRITE]
    assert not folder.exists(), "the probe does not create the folder again"
    folder.mkdir()  # the mount point below the volume
    await looking.look()
    assert "another folder or volume" in looking.reasons()[0].message
    assert list(folder.iterdir()) == []
    folder.rmdir()
    volume.rename(folder)
    await looking.look()
    assert looking.reasons() == ()


async def test_a_hung_disk_counts_as_not_writable_and_is_probed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    answers = threading.Event()

    def probe(_: Path) -> None:
        nonlocal asked
        asked += 1
        answers.wait()

    monkeypatch.setattr(readiness, "write_probe", probe)
    monkeypatch.setattr(readiness, "_PROBE_BUDGET_S", 0.01)
    looking = Readiness(tmp_path)
    for _ in range(3):
        await looking.look()
    (reason,) = looking.reasons()
    assert reason.cause is Cause.CANNOT_WRITE
    assert "does not respond" in reason.message
    assert asked == 1
    answers.set()
    monkeypatch.setattr(readiness, "_PROBE_BUDGET_S", 60)
    await looking.look()
    assert looking.reasons() == ()


# --- speech ---------------------------------------------------------------------------------------


@pytest.fixture
def without_local_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_models, "available", lambda: "not for this machine")


def settings(folder: Path, **variables: str) -> Settings:
    keys = {"DEEPGRAM_API_KEY": "key", "ELEVEN_API_KEY": "key"}
    chains = {"INTERVIEW_STT": "deepgram,local", "INTERVIEW_TTS": "elevenlabs,local"}
    return settings_in(folder, **{**keys, **chains, **variables})


def rests(breaker: SharedBreaker, kind: str, name: str, *, seconds: float) -> None:
    until = breaker.clock() + seconds
    record = BreakerRecord(reason="KeyRefused", since=0.0, until=until, for_good=True)
    breaker.write(kind, name, record)


def test_an_installed_local_model_is_enough_for_speech(tmp_path: Path) -> None:
    breaker = SharedBreaker(tmp_path)
    local = settings_in(tmp_path, INTERVIEW_STT="local", INTERVIEW_TTS="local")
    assert speech_problems(local, breaker) == (None, None)


@pytest.mark.usefixtures("without_local_models")
def test_without_local_models_a_provider_with_a_key_is_enough(tmp_path: Path) -> None:
    assert speech_problems(settings(tmp_path), SharedBreaker(tmp_path)) == (None, None)


@pytest.mark.usefixtures("without_local_models")
def test_a_provider_that_all_jobs_skip_is_a_problem(tmp_path: Path) -> None:
    breaker = SharedBreaker(tmp_path)
    rests(breaker, "stt", "deepgram", seconds=60)
    hearing, speaking = speech_problems(settings(tmp_path), breaker)
    assert hearing == "stt by deepgram: KeyRefused, stt by local: not for this machine"
    assert speaking is None


@pytest.mark.usefixtures("without_local_models")
def test_a_provider_whose_cool_down_is_over_is_no_problem(tmp_path: Path) -> None:
    """Without a job to probe the provider, its recovery would never be detected."""
    now = 1_000_000.0
    breaker = SharedBreaker(tmp_path, clock=lambda: now)
    rests(breaker, "tts", "elevenlabs", seconds=60)
    assert speech_problems(settings(tmp_path), breaker)[1] is not None
    now += 61
    assert speech_problems(settings(tmp_path), breaker) == (None, None)


# --- reports --------------------------------------------------------------------------------------


async def test_a_problem_is_reported_once_and_cleared_automatically(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder, told = tmp_path / "data", 0

    def tell() -> None:
        nonlocal told
        told += 1

    looking = Readiness(folder, on_change=tell)
    await looking.look()
    assert (looking.reasons(), told) == ((), 0)

    aside = folder.rename(tmp_path / "aside")
    folder.write_text("")
    for _ in range(3):
        await looking.look()
    (reason,) = looking.reasons()
    assert (reason.cause, told) == (Cause.CANNOT_WRITE, 1)

    folder.unlink()
    aside.rename(folder)
    await looking.look()
    assert (looking.reasons(), told) == ((), 2)
    lines = [line.getMessage() for line in caplog.records]
    assert lines == [
        f"the worker is not accepting jobs: {reason}",
        "the worker is accepting jobs again",
    ]
    assert caplog.records[0].levelname == "ERROR"


async def test_a_successful_disk_probe_does_not_clear_a_failed_set_up(tmp_path: Path) -> None:
    looking = Readiness(tmp_path)
    looking.set_up_failed("RuntimeError")
    await looking.look()
    assert [str(reason) for reason in looking.reasons()] == ["SetUpFailed: RuntimeError"]
    looking.set_up_works()
    assert looking.reasons() == ()


async def test_only_the_loss_of_both_stt_and_tts_makes_a_worker_not_ready(tmp_path: Path) -> None:
    problems: tuple[str | None, str | None] = ("no STT", None)
    looking = Readiness(tmp_path, speech=lambda: problems)
    await looking.look()
    assert looking.reasons() == ()
    problems = ("no STT", "no TTS")
    await looking.look()
    (reason,) = looking.reasons()
    assert str(reason) == "NoSpeech: no STT; no TTS"


async def test_a_probe_that_raises_keeps_the_previous_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    works = False

    def speech() -> tuple[str | None, str | None]:
        if not works:
            raise ValueError("a broken probe")
        return "no STT", "no TTS"

    looking = Readiness(tmp_path, speech=speech)
    await looking.look()
    assert looking.reasons() == ()
    assert "readiness probe raised" in caplog.text
    works = True
    await looking.look()
    assert [reason.cause for reason in looking.reasons()] == [Cause.NO_SPEECH]


async def test_readiness_is_checked_until_cancelled(tmp_path: Path) -> None:
    changes: asyncio.Queue[None] = asyncio.Queue()
    folder = tmp_path / "data"
    folder.write_text("")
    looking = Readiness(folder, on_change=lambda: changes.put_nowait(None), probe_every_s=0.001)
    watching = asyncio.create_task(looking.watch())
    await changes.get()
    assert looking.reasons()
    folder.unlink()
    await changes.get()
    assert not looking.reasons()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


# --- the worker -----------------------------------------------------------------------------------


@pytest.mark.row("B3")
async def test_a_worker_that_is_not_ready_refuses_jobs_so_that_another_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slots = Slots(tmp_path, 4)
    slots.worker.readiness.set_up_failed("RuntimeError")
    request = FakeRequest("AJ_1")
    await slots.offer(request)
    assert request.accepted is None
    assert request.rejected == {"terminate": False}
    assert "the worker refused a job: SetUpFailed: RuntimeError" in caplog.text
    assert slots.worker.slots.load() == CLOSED_LOAD > SERVER_TARGET_LOAD

    slots.worker.readiness.set_up_works()
    assert slots.worker.slots.load() == 0
    request = FakeRequest("AJ_2")
    request.handed_over.set()
    await slots.offer(request)
    assert request.accepted is not None
