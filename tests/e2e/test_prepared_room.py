"""The TTS cache in a real room: the second interview of a plan needs no TTS for its lines."""

from __future__ import annotations

import pytest

from states import Status
from states.testing import assert_condition
from tests.e2e.test_cloud_interview import Cloud, assert_held, cloud, hold
from tests.stand_ins.faults import Fault
from tests.support.live.heard import MOST_WORD_ERRORS, word_error_rate
from tests.support.live.one_question import PLAN
from tests.support.live.running_worker import StartWorker

__all__ = ["cloud"]


@pytest.mark.rotates
async def test_the_second_interview_of_a_plan_is_heard_completely_without_its_tts(
    start_worker: StartWorker, cloud: Cloud
) -> None:
    worker = await start_worker({**cloud.settings, "INTERVIEW_LLM": "scripted"})
    first = await hold(worker)
    assert_held(first)
    billed = cloud.elevenlabs.characters

    cloud.elevenlabs.fault(Fault.half_open())
    second = await hold(worker)

    assert_held(second)
    assert cloud.elevenlabs.characters == billed
    assert_condition(second.history, "tts", Status.READY, "Loaded")
    assert word_error_rate(first.heard, second.heard) <= MOST_WORD_ERRORS
    assert PLAN.closing in second.said_by("interviewer")
