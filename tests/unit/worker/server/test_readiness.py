"""The readiness of a worker: it takes no job that it cannot serve, and reports the reason."""

from __future__ import annotations

import asyncio
import errno
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
def test_a_job_is_taken_wherever_it_could_be_served(
    hearing: str | None, speaking: str | None, writing: str | None, set_up: str | None
) -> None:
    signs = Signs(hearing=hearing, speaking=speaking, writing=writing, set_up=set_up)
    causes = {reason.cause for reason in decide(signs)}
    assert (Cause.NO_SPEECH in causes) is (hearing is not None and speaking is not None)
    assert (Cause.CANNOT_WRITE in causes) is (writing is not None)
    assert (Cause.SET_UP_FAILED in causes) is (set_up is not None)


# --- the disk -------------------------------------------------------------------------------------


def test_a_folder_that_takes_a_journal_is_well_and_nothing_stays_there(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "journals"
    assert write_probe(folder) is None
    assert list(folder.iterdir()) == []


def test_a_folder_that_has_become_a_file_cannot_be_written(tmp_path: Path) -> None:
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
def test_what_the_disk_says_is_said_and_nothing_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str, call: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        assert write_probe(tmp_path) == f"cannot write to {tmp_path} ({says})"
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_hangs_cannot_be_written_and_is_asked_once(
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
    assert "does not answer" in reason.message
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


def test_a_local_model_serves_where_there_is_one(tmp_path: Path) -> None:
    breaker = SharedBreaker(tmp_path)
    local = settings_in(tmp_path, INTERVIEW_STT="local", INTERVIEW_TTS="local")
    assert speech_problems(local, breaker) == (None, None)


@pytest.mark.usefixtures("without_local_models")
def test_without_local_models_a_provider_with_a_key_serves(tmp_path: Path) -> None:
    assert speech_problems(settings(tmp_path), SharedBreaker(tmp_path)) == (None, None)


@pytest.mark.usefixtures("without_local_models")
def test_a_provider_that_every_job_leaves_alone_does_not(tmp_path: Path) -> None:
    breaker = SharedBreaker(tmp_path)
    rests(breaker, "stt", "deepgram", seconds=60)
    hearing, speaking = speech_problems(settings(tmp_path), breaker)
    assert hearing == "stt by deepgram: KeyRefused, stt by local: not for this machine"
    assert speaking is None


@pytest.mark.usefixtures("without_local_models")
def test_a_provider_whose_rest_is_over_may_be_asked_by_a_job(tmp_path: Path) -> None:
    """Without a job to probe the provider, its recovery would never be detected."""
    now = 1_000_000.0
    breaker = SharedBreaker(tmp_path, clock=lambda: now)
    rests(breaker, "tts", "elevenlabs", seconds=60)
    assert speech_problems(settings(tmp_path), breaker)[1] is not None
    now += 61
    assert speech_problems(settings(tmp_path), breaker) == (None, None)


# --- reports --------------------------------------------------------------------------------------


async def test_it_is_told_once_and_taken_back_by_itself(
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

    folder.rmdir()
    folder.write_text("")
    for _ in range(3):
        await looking.look()
    (reason,) = looking.reasons()
    assert (reason.cause, told) == (Cause.CANNOT_WRITE, 1)

    folder.unlink()
    await looking.look()
    assert (looking.reasons(), told) == ((), 2)
    lines = [line.getMessage() for line in caplog.records]
    assert lines == [f"no job is taken: {reason}", "jobs are taken again"]
    assert caplog.records[0].levelname == "ERROR"


async def test_what_the_disk_does_is_told_from_what_the_processes_do(tmp_path: Path) -> None:
    looking = Readiness(tmp_path)
    looking.set_up_failed("RuntimeError")
    await looking.look()
    assert [str(reason) for reason in looking.reasons()] == ["SetUpFailed: RuntimeError"]
    looking.set_up_works()
    assert looking.reasons() == ()


async def test_both_directions_of_speech_must_be_gone(tmp_path: Path) -> None:
    problems: tuple[str | None, str | None] = ("no ears", None)
    looking = Readiness(tmp_path, speech=lambda: problems)
    await looking.look()
    assert looking.reasons() == ()
    problems = ("no ears", "no voice")
    await looking.look()
    (reason,) = looking.reasons()
    assert str(reason) == "NoSpeech: no ears; no voice"


async def test_looking_that_fails_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    works = False

    def speech() -> tuple[str | None, str | None]:
        if not works:
            raise ValueError("a broken wheel")
        return "no ears", "no voice"

    looking = Readiness(tmp_path, speech=speech)
    await looking.look()
    assert looking.reasons() == ()
    assert "looking failed" in caplog.text
    works = True
    await looking.look()
    assert [reason.cause for reason in looking.reasons()] == [Cause.NO_SPEECH]


async def test_looking_goes_on_until_it_is_cancelled(tmp_path: Path) -> None:
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
async def test_a_worker_that_could_serve_no_job_lets_another_be_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slots = Slots(tmp_path, 4)
    slots.worker.readiness.set_up_failed("RuntimeError")
    request = FakeRequest("AJ_1")
    await slots.offer(request)
    assert request.accepted is None
    assert request.rejected == {"terminate": False}
    assert "turned down: SetUpFailed: RuntimeError" in caplog.text
    assert slots.worker.slots.load() == CLOSED_LOAD > SERVER_TARGET_LOAD

    slots.worker.readiness.set_up_works()
    assert slots.worker.slots.load() == 0
    request = FakeRequest("AJ_2")
    request.handed_over.set()
    await slots.offer(request)
    assert request.accepted is not None
