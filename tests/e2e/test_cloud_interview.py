"""Interviews through the real Deepgram, ElevenLabs and OpenAI plugins, on local test servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from states import History, Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai import OpenAIStandIn
from tests.support import bare_platform
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, word_error_rate
from tests.support.live.one_question import ALL_THE_WAY, ANSWER, PLAN, SCRIPT, is_running
from tests.support.live.running_worker import RunningWorker, StartWorker, database_elsewhere
from tests.support.live.scenarios import spoken_by
from worker.simulation.conversation import hold_conversation

# Each needs more than one processor of the two: the tests of this group never run side by side.
pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("heavy")]

CHAINS = {
    "INTERVIEW_STT": "deepgram,local",
    "INTERVIEW_TTS": "elevenlabs,local",
    "INTERVIEW_LLM": "openai,scripted",
}
THANKS = "Thank you, writing a small test first sounds wise."


@dataclass
class Cloud:
    """Local test servers for the three providers."""

    deepgram: DeepgramStandIn = field(default_factory=DeepgramStandIn)
    elevenlabs: ElevenLabsStandIn = field(default_factory=ElevenLabsStandIn)
    openai: OpenAIStandIn = field(
        default_factory=lambda: OpenAIStandIn(reply=lambda _: f"ACKNOWLEDGE: {THANKS}")
    )

    @property
    def settings(self) -> dict[str, str]:
        return {
            **self.deepgram.environment,
            **self.elevenlabs.environment,
            **self.openai.environment,
            **CHAINS,
        }


@pytest.fixture
async def cloud(voices: None) -> AsyncIterator[Cloud]:
    providers = Cloud()
    async with AsyncExitStack() as stack:
        for server in (providers.deepgram, providers.elevenlabs, providers.openai):
            await stack.enter_async_context(server)
        yield providers


@dataclass(frozen=True, kw_only=True)
class Held:
    """An interview as its candidate heard it and as its records show it."""

    heard: str
    history: History
    turns: list[dict[str, Any]]

    def said_by(self, speaker: str) -> str:
        return " ".join(turn["text"] for turn in self.turns if turn["speaker"] == speaker)


async def hold(worker: RunningWorker) -> Held:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await hold_conversation(candidate, SCRIPT)
        heard = await heard_by(candidate)
    history = await worker.ended_job(interview.room)
    shown = await worker.command_json("interviews", "show", interview.interview_id)
    return Held(heard=heard, history=history, turns=shown["turns"])


def assert_held(held: Held) -> None:
    """Assert that the interview completed with both speakers' words intact."""
    assert_path(held.history, *ALL_THE_WAY)
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert word_error_rate(ANSWER, held.said_by("candidate")) <= MOST_WORD_ERRORS
    assert word_error_rate(held.said_by("interviewer"), held.heard) <= MOST_WORD_ERRORS


@pytest.mark.row("C8")
async def test_an_interview_uses_the_first_provider_of_every_chain(
    start_worker: StartWorker, cloud: Cloud
) -> None:
    worker = await start_worker(cloud.settings)

    held = await hold(worker)

    assert_held(held)
    # The model's acknowledgement precedes the plan's closing.
    assert f"{THANKS} {PLAN.closing}" in held.said_by("interviewer")
    assert cloud.deepgram.audio_s > 5
    assert cloud.elevenlabs.characters >= len(PLAN.opening)
    for name in ("stt", "tts", "llm"):
        assert_condition(held.history, name, Status.READY, "Loaded")


async def test_fallbacks_hold_the_interview_when_first_providers_refuse_their_keys(
    start_worker: StartWorker, cloud: Cloud
) -> None:
    worker = await start_worker(cloud.settings)
    cloud.deepgram.fault(Fault.refuse(401))
    cloud.elevenlabs.fault(Fault.refuse(402))
    cloud.openai.fault(Fault.refuse(401))

    held = await hold(worker)

    assert_held(held)
    assert PLAN.closing in held.said_by("interviewer")
    assert_condition(held.history, "stt", Status.READY, "Fallback")
    assert_condition(held.history, "tts", Status.READY, "Fallback")
    assert_condition(held.history, "llm", Status.LOST, "NoProviderLeft")
    # A provider that refuses its key is asked only once: each try makes the candidate wait.
    assert len(cloud.elevenlabs.requests) == 1
    assert len(cloud.openai.requests) <= 2  # one prewarm request of the plugin, one completion


@pytest.mark.rotates
async def test_a_worker_without_keys_names_the_omitted_providers_and_holds_the_interview(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(CHAINS)

    held = await hold(worker)

    assert_held(held)
    lines = worker.log(event="provider_left_out")
    left_out = [line["message"].partition(": ")[2] for line in lines]
    assert left_out == [
        "deepgram is left out of INTERVIEW_STT: DEEPGRAM_API_KEY is not set",
        "elevenlabs is left out of INTERVIEW_TTS: ELEVEN_API_KEY is not set",
        "openai is left out of INTERVIEW_LLM: OPENAI_API_KEY is not set",
    ]


@pytest.mark.rotates
async def test_providers_that_fail_once_lose_no_word(
    start_worker: StartWorker, cloud: Cloud
) -> None:
    worker = await start_worker(cloud.settings)
    cloud.deepgram.next(Fault.reset())
    cloud.elevenlabs.next(Fault.refuse(500))
    cloud.openai.next(Fault.refuse(429))

    assert_held(await hold(worker))


@pytest.fixture
async def database() -> AsyncIterator[str]:
    """Yield the URL of a database of its own, which stops after the workers of the test."""
    async with database_elsewhere() as url:
        yield url


@pytest.mark.rotates
async def test_a_worker_on_a_bare_platform_serves_and_drains(
    database: str, start_worker: StartWorker, cloud: Cloud, tmp_path: Path
) -> None:
    worker = await start_worker(
        {
            **cloud.settings,
            **bare_platform.variables(tmp_path / "platform"),
            "DATABASE_URL": database,
            "INTERVIEW_EMBEDDED": "0",
            "INTERVIEW_DRAIN_S": "120",
        }
    )
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=is_running)
        worker.terminate()
        await worker.logged("worker_draining")
        await hold_conversation(candidate, SCRIPT)
    assert await worker.exited() == 0
    (job,) = worker.histories(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert (job.exit_code, job.signal) == (0, None)
    assert word_error_rate(ANSWER, spoken_by(job, "candidate")) <= MOST_WORD_ERRORS
    # The worker had no local models: both providers are stand-ins in this process.
    assert worker.log(event="speech_models_not_preloaded")
    assert cloud.deepgram.audio_s > 0
    assert cloud.elevenlabs.characters > 0
