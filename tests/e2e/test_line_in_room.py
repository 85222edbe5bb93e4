"""The audio output on a real server: clips and session speech as the candidate hears them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice.room_io import RoomOptions

from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, word_error_rate
from worker.audio.frames import resampled
from worker.audio.output import MixedAudioOutput
from worker.clips.recordings import ClipName, load_clip
from worker.simulation.room_candidate import Candidate
from worker.speech.tts.local import LocalTTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.audio.dsp import Pcm
    from worker.simulation.livekit_server import LiveKitServer

# These tests measure the received audio, which stutters on a busy processor.
pytestmark = pytest.mark.alone

#: Seconds for which an event loop is blocked in the middle of a clip.
BLOCKED_S = 2.0

QUESTION = "Tell me about a system that you designed yourself."


class Scene:
    """One room with a published audio output, and candidates who join."""

    def __init__(self, server: LiveKitServer, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack
        self._name = f"room-{uuid4().hex[:8]}"
        self.room = rtc.Room()
        self.line = MixedAudioOutput(subscribe_timeout=10.0)

    def token(self, identity: str) -> str:
        return self._server.client.candidate_token(room=self._name, identity=identity)

    async def candidate(self, *, listens: bool = True) -> Candidate:
        token = self.token("candidate")
        candidate = Candidate(self._server.url, token, microphone=False, listens=listens)
        return await self._stack.enter_async_context(candidate)

    async def open(self) -> None:
        await self.room.connect(self._server.url, self.token("interviewer"))
        self._stack.push_async_callback(self.room.disconnect)
        self._stack.push_async_callback(self.line.aclose)
        await self.line.publish(self.room)


@pytest.fixture
async def scene(livekit_server: LiveKitServer) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        yield Scene(livekit_server, stack)


@asynccontextmanager
async def speaking_session(scene: Scene) -> AsyncIterator[AgentSession[Any]]:
    """Yield a session that speaks on the scene's audio output and takes no audio input."""
    async with LocalTTS() as voice, AgentSession(tts=voice) as session:
        session.output.audio = scene.line
        await session.start(
            Agent(instructions=""),
            room=scene.room,
            room_options=RoomOptions(audio_output=False, audio_input=False),
            session_host=False,
            record=False,
        )
        yield session


@pytest.mark.row("B8")
async def test_a_clip_queued_before_the_connection_is_heard_completely(scene: Scene) -> None:
    clip = load_clip(ClipName.WELCOME)
    playing = asyncio.create_task(scene.line.play(clip))
    candidate = await scene.candidate()

    await scene.open()

    assert await playing == pytest.approx(clip.duration_s)
    assert scene.line.subscribed
    await candidate.wait_until_interviewer_paused(quiet_s=0.5, timeout_s=10)
    assert word_error_rate(clip.text, await heard_by(candidate)) <= 0.2


async def test_the_track_is_a_microphone_and_is_unpublished_with_the_output(scene: Scene) -> None:
    await scene.open()
    (publication,) = scene.room.local_participant.track_publications.values()
    assert publication.source == rtc.TrackSource.SOURCE_MICROPHONE

    await scene.line.aclose()

    assert scene.room.local_participant.track_publications == {}


async def test_a_candidate_without_a_subscription_does_not_block_the_output(
    scene: Scene,
) -> None:
    scene.line = MixedAudioOutput(subscribe_timeout=0.2)
    await scene.candidate(listens=False)
    await scene.open()
    clip = load_clip(ClipName.STILL_THERE)

    assert await scene.line.play(clip) == pytest.approx(clip.duration_s)
    assert not scene.line.subscribed


async def test_a_clip_waits_for_the_sessions_speech_and_both_are_heard(scene: Scene) -> None:
    candidate = await scene.candidate()
    await scene.open()
    async with speaking_session(scene) as session:
        speech = session.say(QUESTION)
        await candidate.wait_for_sound(timeout_s=10)
        clip = load_clip(ClipName.GOODBYE)
        await scene.line.play(clip)
        assert speech.done()
    await candidate.wait_until_interviewer_paused(quiet_s=0.5, timeout_s=10)

    said = f"{QUESTION} {clip.text.replace('goodbye', 'good bye')}"
    heard = (await heard_by(candidate)).replace("goodbye", "good bye").replace("-", " ")
    assert word_error_rate(said, heard) <= 2 * MOST_WORD_ERRORS


async def test_an_interrupted_speech_keeps_only_what_was_heard(scene: Scene) -> None:
    candidate = await scene.candidate()
    await scene.open()
    positions: list[float] = []
    scene.line.on("playback_finished", lambda event: positions.append(event.playback_position))
    async with speaking_session(scene) as session:
        speech = session.say(f"{QUESTION} Please take all the time that you need for it.")
        began_s = await candidate.wait_for_sound(timeout_s=10)
        await candidate.wait_for_sound(since_s=began_s + 1.5, timeout_s=10)
        await speech.interrupt()
        await speech
        history = session.history.items

    assert len(positions) == 1
    assert 0 < positions[0] < 5
    assert [item.interrupted for item in history if item.type == "message"] == [True]
    assert candidate.meter.audible_seconds() < positions[0] + 1


async def test_a_silenced_output_is_not_heard(scene: Scene) -> None:
    candidate = await scene.candidate()
    await scene.open()
    playing = asyncio.create_task(scene.line.play(load_clip(ClipName.CANNOT_GO_ON)))
    await candidate.wait_for_sound(timeout_s=10)

    scene.line.silence()
    heard_s = await playing
    assert await scene.line.play(load_clip(ClipName.GOODBYE)) == 0.0
    await candidate.wait_until_interviewer_paused(quiet_s=0.5, timeout_s=10)

    assert heard_s < load_clip(ClipName.CANNOT_GO_ON).duration_s
    assert candidate.meter.audible_seconds() < heard_s + 1


async def test_a_clip_has_no_gap_while_the_event_loop_is_blocked(
    scene: Scene,
) -> None:
    clip = load_clip(ClipName.CANNOT_GO_ON)
    candidate = await scene.candidate()

    async def play() -> float:
        """Play in a separate event loop: the candidate's loop must keep running."""
        publisher = Scene(scene._server, AsyncExitStack())
        publisher._name = scene._name
        async with publisher._stack:
            await publisher.open()
            playing = asyncio.create_task(publisher.line.play(clip))
            await publisher.line.wait_for_subscriber()
            await asyncio.sleep(1.0)
            time.sleep(BLOCKED_S)  # noqa: ASYNC251  # the blocked loop under test
            return await playing

    played_s = await asyncio.to_thread(asyncio.run, play())
    await candidate.wait_until_interviewer_paused(quiet_s=0.5, timeout_s=10)

    assert played_s == pytest.approx(clip.duration_s)
    own_pause_s = longest_pause_s(resampled(clip.pcm, clip.sample_rate, 48_000))
    assert longest_pause_s(candidate.recording()) <= own_pause_s + 0.2
    assert word_error_rate(clip.text, await heard_by(candidate)) <= 2 * MOST_WORD_ERRORS


def longest_pause_s(pcm: Pcm) -> float:
    """Return the longest pause in seconds within the sound of 48 kHz samples."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 300)
    return float(np.diff(loud).max()) / 48_000
