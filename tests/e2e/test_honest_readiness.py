"""A worker that cannot serve jobs takes none, logs the reason, and recovers without a restart."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason, State
from states.testing import assert_outcome
from tests.support.live.one_question import PLAN, is_running
from tests.support.live.running_worker import RunningWorker
from tests.support.live.waiting import eventually
from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from tests.support.live.running_worker import StartWorker
    from worker.simulation.livekit_server import LiveKitServer

BREAKABLE = "tests.support.live.breakable_application:Breakable"
#: Seconds that cover LiveKit's wait for an untaken dispatch and the worker's status report.
UNTAKEN_S = 6.0


async def takes_no_job(worker: RunningWorker, cause: str) -> None:
    """Wait until the worker logs the reason, and check that a dispatch reaches no worker."""
    await eventually(
        lambda: worker.log(event="worker_not_accepting_jobs", cause=cause),
        f"{cause} in the log",
    )
    interview = await worker.create(PLAN)
    await worker.send_interviewer(interview)
    await asyncio.sleep(UNTAKEN_S)
    # LiveKit knew that the worker is unavailable and sent no job request.
    assert worker.log(message="received job request") == []
    assert worker.histories(interview.room) == []


async def takes_jobs_again(worker: RunningWorker) -> None:
    """Wait until the worker logs its recovery, and check that a dispatch reaches it."""
    await worker.logged("worker_accepting_jobs")
    # A worker whose first process failed registers now.
    await worker.logged(message="registered worker")
    interview = await worker.create(PLAN)
    await worker.send_interviewer(interview)
    await worker.job(interview.room, until=is_running)


@asynccontextmanager
async def unregistered_worker(
    server: LiveKitServer, settings: Mapping[str, str]
) -> AsyncIterator[RunningWorker]:
    """Start a worker whose first process cannot be prepared; stop it after the block."""
    worker = RunningWorker(server, settings)
    try:
        await worker.start(registers=False)
        yield worker
    finally:
        await worker.discard()


def breakable(folder: Path) -> dict[str, str]:
    """Return settings of a worker that two files in this folder break."""
    return {
        "PYTHONPATH": str(REPOSITORY),
        "INTERVIEW_APPLICATION": BREAKABLE,
        "BROKEN_WHILE": str(folder / "broken"),
        "DEADLY_WHILE": str(folder / "deadly"),
    }


def break_local_speech(folder: Path) -> None:
    """Fake the wheels of both models: they look installed, and neither can be loaded."""
    model = folder / "moonshine_voice" / "assets" / "tiny-en" / "encoder_model.ort"
    model.parent.mkdir(parents=True)
    model.touch()
    for name in ("moonshine_voice", "hibari"):
        package = folder / name
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("raise RuntimeError('damaged')\n")


@pytest.mark.row("B3")
async def test_processes_that_cannot_be_prepared_are_not_respawned_in_a_loop(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = await start_worker(breakable(tmp_path))
    flag = tmp_path / "broken"
    flag.touch()
    for pid in {line["pid"] for line in worker.log(message="process initialized")}:
        os.kill(pid, signal.SIGKILL)
    await takes_no_job(worker, "SetUpFailed")
    (line,) = worker.log(event="worker_not_accepting_jobs")
    assert f"INTERVIEW_APPLICATION: {BREAKABLE} cannot be used" in line["message"]
    failures = len(worker.log(message="error initializing process"))
    await asyncio.sleep(UNTAKEN_S)
    # The framework alone would respawn about twenty processes per second.
    assert len(worker.log(message="error initializing process")) - failures <= UNTAKEN_S / 2
    flag.unlink()
    await takes_jobs_again(worker)


@pytest.mark.rotates
async def test_a_forkserver_that_dies_is_not_restarted_in_a_loop(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    flag = tmp_path / "deadly"
    flag.touch()
    async with unregistered_worker(livekit_server, breakable(tmp_path)) as worker:
        await takes_no_job(worker, "SetUpFailed")
        assert worker.log(message="registered worker") == []
        assert len(worker.log(message="error initializing process")) <= 12
        flag.unlink()
        await takes_jobs_again(worker)


@pytest.mark.rotates
async def test_a_worker_that_is_stopped_while_it_waits_for_its_first_process_ends_at_once(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    (tmp_path / "deadly").touch()
    async with unregistered_worker(livekit_server, breakable(tmp_path)) as worker:
        await worker.logged("worker_not_accepting_jobs", cause="SetUpFailed")
        assert await worker.stop() == 0
        assert worker.log(message="registered worker") == []
        assert len(worker.log(event="worker_not_accepting_jobs")) == 1
        await worker.nothing_left()


@contextmanager
def a_file_in_its_place(folder: Path) -> Iterator[None]:
    folder.rename(folder.with_name("elsewhere"))
    folder.touch()
    yield
    folder.unlink()


@contextmanager
def a_small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        # Lazy: a process that is being killed may keep the disk busy for a moment.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.rotates
async def test_a_full_disk_stops_new_interviews(livekit_server: LiveKitServer) -> None:
    worker = RunningWorker(livekit_server)
    journals = worker.data_dir / "journals"
    with a_small_disk(journals):
        try:
            await worker.start()
            await worker.logged(message="process initialized")
            filler = journals / "filler"
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(64 * 1024)):
                    pass
            await takes_no_job(worker, "CannotWrite")
            (line,) = worker.log(event="worker_not_accepting_jobs")
            assert "No space left on device" in line["message"]
            filler.unlink()
            await takes_jobs_again(worker)
        finally:
            await worker.discard()


@pytest.mark.rotates
async def test_another_folder_in_place_of_the_journals_stops_new_interviews(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker({})
    with a_file_in_its_place(worker.data_dir / "journals"):
        await takes_no_job(worker, "CannotWrite")
        (line,) = worker.log(event="worker_not_accepting_jobs")
        assert "another folder or volume than at the start" in line["message"]
    (worker.data_dir / "elsewhere").rename(worker.data_dir / "journals")
    await takes_jobs_again(worker)


@pytest.mark.rotates
async def test_another_worker_takes_the_jobs_instead(start_worker: StartWorker) -> None:
    deaf = await start_worker({})
    (deaf.data_dir / "journals").rename(deaf.data_dir / "elsewhere")
    (deaf.data_dir / "journals").touch()
    await eventually(
        lambda: deaf.log(event="worker_not_accepting_jobs"),
        "the log line that it takes no job",
    )
    well = await start_worker({"INTERVIEW_AGENT_NAME": deaf.agent_name})
    for _ in range(3):
        interview = await well.create(PLAN)
        await deaf.send_interviewer(interview)
        await well.job(interview.room, until=is_running)


@pytest.mark.rotates
async def test_without_speech_in_either_direction_no_job_is_taken(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    break_local_speech(tmp_path)
    settings = {"PYTHONPATH": str(tmp_path)}
    async with unregistered_worker(livekit_server, settings) as worker:
        await takes_no_job(worker, "SetUpFailed")
        (line,) = worker.log(event="worker_not_accepting_jobs")
        assert "neither STT nor TTS is available" in line["message"]


@pytest.mark.rotates
@pytest.mark.row("B11")
async def test_injected_faults_trigger_and_are_logged_as_injected(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(
        {
            "INTERVIEW_FAULTS": "load.vad=raise; process=kill@running",
            "INTERVIEW_ALLOW_FAULTS": "1",
        }
    )
    (warning,) = worker.log(event="fault_injection_on", level="warning")
    assert "load.vad=raise; process=kill@running" in warning["message"]
    interview = await worker.create(PLAN)
    await worker.send_interviewer(interview)
    job = await worker.ended_job(interview.room)
    assert job.header["faults"] == ["load.vad=raise", "process=kill@running"]
    assert State.DEGRADED in job.path
    assert job.path[-1] is State.RUNNING
    assert job.signal == signal.SIGKILL
    assert_outcome(job, Outcome.FAILED, Reason.PROCESS_KILLED)
    triggered = worker.log(event="injected_fault_triggered", level="warning")
    assert "injected fault triggered: load.vad=raise" in [line["message"] for line in triggered]
