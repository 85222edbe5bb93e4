"""A late or hanging VAD and speech that cannot be made at first: the interview is held anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from states import History, Status
from states.testing import assert_condition, assert_path, gap
from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.support.live import broken_plugins
from tests.support.live.one_question import ALL_THE_WAY, PLAN
from tests.support.live.scenarios import Record, assert_nothing_was_lost, talk, write_down

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.live.running_worker import RunningWorker, StartWorker

pytestmark = pytest.mark.usefixtures("voices")

Hold: TypeAlias = "Callable[[RunningWorker], Awaitable[History]]"

DEGRADED = [state.replace("READY", "DEGRADED") for state in ALL_THE_WAY]


@pytest.fixture
def hold(record_property: Record) -> Hold:
    """Return a function that holds an interview of one question; no word may be lost."""

    async def hold(worker: RunningWorker) -> History:
        interview = await worker.create(PLAN)
        said = await talk(worker, interview)
        job = await worker.ended_job(interview.room)
        write_down(record_property, job, said)
        assert_nothing_was_lost(job, said)
        return job

    return hold


def statuses(job: History, resource: str) -> list[tuple[Status, str]]:
    """Return the conditions of a resource, beginning with its loader's report."""
    return [
        (change.status, change.reason)
        for change in job.condition_changes
        if change.resource == resource and change.status is not Status.PENDING
    ]


@pytest.mark.row("S7", "B2")
async def test_a_late_vad_is_attached_to_the_running_session(
    start_worker: StartWorker, tmp_path: Path, hold: Hold
) -> None:
    broken_plugins.shadow(tmp_path, "silero", broken_plugins.SILERO_LATE)
    worker = await start_worker({"PYTHONPATH": str(tmp_path)})

    job = await hold(worker)

    assert_path(job, *DEGRADED)
    assert statuses(job, "vad") == [(Status.LOST, "LoadTimeout"), (Status.READY, "Loaded")]
    # The VAD's budget is 2 s: such a slow start is logged as a warning.
    line = await worker.logged("init_done")
    assert (line["level"], line["slow"]) == ("warning", True)
    assert line["elapsed_ms"] > 1000


@pytest.mark.rotates
@pytest.mark.row("S1")
async def test_a_vad_that_hangs_in_its_thread_blocks_neither_interview_nor_process(
    start_worker: StartWorker, tmp_path: Path, hold: Hold
) -> None:
    broken_plugins.shadow(tmp_path, "silero", broken_plugins.SILERO_HANGS)
    worker = await start_worker({"PYTHONPATH": str(tmp_path)})

    job = await hold(worker)

    assert_path(job, *DEGRADED)
    assert_condition(job, "vad", Status.LOST, "LoadTimeout")
    assert job.exit_code == 0


@pytest.mark.row("S6")
async def test_stt_that_cannot_be_created_is_created_on_demand(
    start_worker: StartWorker, tmp_path: Path, hold: Hold
) -> None:
    broken_plugins.shadow(tmp_path, "deepgram", broken_plugins.not_at_first("STT", 3))
    async with DeepgramStandIn() as deepgram:
        settings = {"PYTHONPATH": str(tmp_path), "INTERVIEW_STT": "deepgram"}
        worker = await start_worker(settings | deepgram.environment)

        job = await hold(worker)

    # STT may be available again before the session has started.
    assert_path(job, *DEGRADED[:4], gap("READY"), *DEGRADED[4:])
    assert statuses(job, "stt") == [(Status.LOST, "NoProviderLeft"), (Status.READY, "Loaded")]


@pytest.mark.rotates
@pytest.mark.row("S6")
async def test_tts_that_cannot_be_created_is_created_on_demand(
    start_worker: StartWorker, tmp_path: Path, hold: Hold
) -> None:
    broken_plugins.shadow(tmp_path, "elevenlabs", broken_plugins.not_at_first("TTS", 3))
    async with ElevenLabsStandIn() as elevenlabs:
        settings = {"PYTHONPATH": str(tmp_path), "INTERVIEW_TTS": "elevenlabs"}
        worker = await start_worker(settings | elevenlabs.environment)

        job = await hold(worker)

    assert_path(job, *DEGRADED)
    assert statuses(job, "tts") == [(Status.LOST, "NoProviderLeft"), (Status.READY, "Loaded")]
