"""A job's transport without a room, as a test of an agent uses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from livekit.agents import Agent, AgentSession, stt

from tests.support.virtual.stt_fakes import RATE, quiet, sound
from worker.api import InMemoryTransport
from worker.audio.clip import Clip
from worker.audio.frames import frame_of, samples_of
from worker.transport.in_memory import FRAME_S, CandidateMicrophone
from worker.transport.outbound_monitor import GONE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from livekit import rtc
    from livekit.agents import ModelSettings

pytestmark = pytest.mark.looptime

VOICE_RATE = 24_000


def tone(seconds: float) -> rtc.AudioFrame:
    return frame_of(np.full(round(seconds * VOICE_RATE), 8000, np.int16), VOICE_RATE)


CLIP = Clip(name="tone", text="", pcm=samples_of(tone(0.3)), sample_rate=VOICE_RATE)


class NoSTT(stt.STT[Any]):
    """A placeholder that makes the session listen; the agent below gets the audio."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError


class Listening(Agent):
    """An agent that notes the received audio and texts, and gives no transcript."""

    def __init__(self) -> None:
        super().__init__(instructions="Listen.")
        self.heard_s = 0.0
        self.read: list[str] = []

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        async for frame in audio:
            if samples_of(frame).any():
                self.heard_s += frame.duration
        return
        yield ""

    async def on_text(self, text: str) -> None:
        self.read.append(text)


async def speech(frame: rtc.AudioFrame) -> AsyncIterator[rtc.AudioFrame]:
    yield frame


def session() -> AgentSession[None]:
    return AgentSession(stt=NoSTT(), vad=None, turn_handling={"turn_detection": "stt"})


@pytest.fixture
def heard() -> list[rtc.AudioFrame]:
    """The frames that the candidate has heard."""
    return []


@pytest.fixture
async def transport(heard: list[rtc.AudioFrame]) -> AsyncIterator[InMemoryTransport]:
    """Yield a connected transport that plays audio."""
    made = InMemoryTransport(on_frame=heard.append)
    await made.connect()
    await made.open_line()
    yield made
    await made.leave()


async def test_a_clip_is_heard_completely_in_real_time(
    transport: InMemoryTransport, heard: list[rtc.AudioFrame]
) -> None:
    began = asyncio.get_running_loop().time()
    await transport.line.play(CLIP)
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.3, abs=0.06)
    assert np.concatenate([samples_of(frame) for frame in heard]).tolist() == CLIP.pcm.tolist()


async def test_a_session_speaks_to_the_candidate_and_hears_the_candidate(
    transport: InMemoryTransport, heard: list[rtc.AudioFrame]
) -> None:
    agent = Listening()
    talk = session()
    await transport.start_session(talk, agent)
    try:
        transport.microphone.say([tone(0.33)])
        await transport.microphone.idle.wait()
        await talk.say("Hello there.", audio=speech(tone(0.2)))
        assert agent.heard_s == pytest.approx(0.33)
        assert sum(frame.duration for frame in heard) == pytest.approx(0.2)
    finally:
        await talk.aclose()


async def test_an_agent_reads_a_typed_message(transport: InMemoryTransport) -> None:
    agent = Listening()
    talk = session()
    await transport.type_text("too early")
    await transport.start_session(talk, agent)
    await transport.type_text("hel\x1b[31mlo\n")
    await transport.type_text(" \x00")
    await talk.aclose()
    assert agent.read == ["hello"]


async def test_an_agent_without_on_text_ignores_a_typed_message(
    transport: InMemoryTransport,
) -> None:
    talk = session()
    await transport.start_session(talk, Agent(instructions="Listen."))
    await transport.type_text("hello")
    await talk.aclose()


async def test_the_microphone_delivers_queued_frames_and_then_silence_in_real_time() -> None:
    microphone = CandidateMicrophone()
    loop = asyncio.get_running_loop()
    microphone.say([tone(0.12)])
    began = loop.time()
    frames = [await anext(microphone) for _ in range(5)]
    assert [round(frame.duration, 3) for frame in frames] == [0.05, 0.05, 0.02, 0.05, 0.05]
    assert [bool(samples_of(frame).any()) for frame in frames] == [True] * 3 + [False] * 2
    assert microphone.idle.is_set()
    assert loop.time() - began == pytest.approx(5 * FRAME_S, abs=FRAME_S)


async def test_a_lost_microphone_delivers_nothing_and_drops_what_was_queued() -> None:
    microphone = CandidateMicrophone(quiet(FRAME_S)[0])
    microphone.say(sound(1.0, number=1))
    began = asyncio.get_running_loop().time()
    microphone.lose_for(2.0)
    frame = await anext(microphone)
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=FRAME_S)
    assert frame.sample_rate == RATE
    assert samples_of(frame).tolist() == samples_of(quiet(FRAME_S)[0]).tolist()


async def test_of_two_losses_of_a_microphone_that_overlap_the_later_end_counts() -> None:
    microphone = CandidateMicrophone()
    began = asyncio.get_running_loop().time()
    microphone.lose_for(2.0)
    microphone.lose_for(1.0)
    await anext(microphone)
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=FRAME_S)


async def test_a_candidate_who_leaves_and_comes_back_is_noticed(
    transport: InMemoryTransport,
) -> None:
    away_s: list[float] = []

    async def back(seconds: float) -> None:
        away_s.append(seconds)

    transport.reach.on_person_back = back
    assert transport.candidate_is_here
    moved = asyncio.create_task(transport.candidate_moved())
    await asyncio.sleep(0)
    transport.move(here=False)
    await moved
    assert not transport.candidate_is_here
    await asyncio.sleep(GONE_S)
    transport.move(here=True)
    await asyncio.sleep(1)
    assert transport.candidate_is_here
    assert away_s == [pytest.approx(GONE_S + 0.5, abs=0.1)]


async def test_texts_and_attributes_are_kept_for_the_test(transport: InMemoryTransport) -> None:
    await transport.write("Please type.")
    await transport.announce({"token": "1"})
    moved = asyncio.create_task(transport.candidate_moved())
    await asyncio.sleep(0)
    transport.show("interviewer-2", token="2")  # a lease's number, no password
    await moved
    assert transport.written == ["Please type."]
    assert transport.shown == {"token": "1"}
    assert transport.announced() == {"interviewer-2": {"token": "2"}}
    assert await transport.packets_received() is None
