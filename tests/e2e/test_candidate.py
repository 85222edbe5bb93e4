"""Candidates in a real room: each hears what the others say."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pytest
from livekit import rtc

from tests.support.virtual.async_steps import end
from worker.audio.dsp import to_float
from worker.simulation.audio_analysis import SAMPLE_RATE
from worker.simulation.livekit_server import LiveKitServer
from worker.simulation.room_candidate import Candidate, CandidateTimeout
from worker.simulation.voice import LocalVoice
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from worker.audio.dsp import Floats, Pcm


class Joining:
    """Candidates of one room on a server; all of them leave at the end."""

    def __init__(self, server: LiveKitServer, stack: AsyncExitStack) -> None:
        self.server = server
        self.room = f"room-{uuid4().hex[:8]}"
        self._stack = stack

    def candidate(self, identity: str, *, microphone: bool = True) -> Candidate:
        token = self.server.client.candidate_token(room=self.room, identity=identity)
        return Candidate(self.server.url, token, microphone=microphone)

    async def __call__(self, identity: str, *, microphone: bool = True) -> Candidate:
        return await self._stack.enter_async_context(
            self.candidate(identity, microphone=microphone)
        )


@pytest.fixture
async def join(livekit_server: LiveKitServer) -> AsyncIterator[Joining]:
    async with AsyncExitStack() as stack:
        yield Joining(livekit_server, stack)


def tone(hertz: float, seconds: float) -> Floats:
    times = np.arange(round(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def pitch_of(samples: Pcm) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


async def hear_each_other(*candidates: Candidate) -> None:
    await asyncio.gather(*(each.wait_for_interviewer(timeout_s=20) for each in candidates))


async def test_a_tone_is_heard_and_recorded_at_its_time(join: Joining) -> None:
    ann, ben = await join("ann"), await join("ben")
    await hear_each_other(ann, ben)
    before_s = ben.now_s
    await ann.say(tone(440, 1.0), SAMPLE_RATE)
    began_s = await ben.wait_for_sound(since_s=before_s, timeout_s=20)
    ended_s = await ben.wait_until_interviewer_paused(quiet_s=0.8, timeout_s=20)
    heard = ben.recording()[round(began_s * SAMPLE_RATE) : round(ended_s * SAMPLE_RATE)]
    assert pitch_of(heard) == pytest.approx(440, abs=5)
    # The codec adds noise to silence, far below the audible level.
    before = ben.recording()[: round(max(0.0, before_s - 0.3) * SAMPLE_RATE)]
    assert np.abs(before).max(initial=0) < 10
    assert not ann.meter.spans


async def test_both_may_speak_at_once_and_the_own_voice_is_recorded_on_request(
    join: Joining, tmp_path: Path
) -> None:
    ann, ben = await join("ann"), await join("ben")
    await hear_each_other(ann, ben)
    await asyncio.gather(
        ann.say(tone(400, 1.0), SAMPLE_RATE), ben.say(tone(1000, 1.0), SAMPLE_RATE)
    )
    await ann.wait_until_interviewer_paused(quiet_s=0.8, since_s=0, timeout_s=20)
    assert pitch_of(ann.recording()) == pytest.approx(1000, abs=5)
    both = np.abs(np.fft.rfft(ann.recording(own_voice=True)))
    hertz = len(both) / (SAMPLE_RATE / 2)
    loudest = [
        both[round((pitch - 5) * hertz) : round((pitch + 5) * hertz)].max()
        for pitch in (400, 1000, 700)
    ]
    assert min(loudest[:2]) > 20 * loudest[2]
    path = tmp_path / "room.wav"
    ann.save_recording(path, own_voice=True)
    assert path.stat().st_size > 2 * SAMPLE_RATE


async def test_local_tts_is_understood_in_the_room(join: Joining) -> None:
    samples, rate = await LocalVoice().render(
        "My part was the database. [pause 1.3] Nobody gets the same message twice."
    )
    ann, ben = await join("ann"), await join("ben")
    await hear_each_other(ann, ben)
    since_s = ben.now_s
    await ann.say(samples, rate)
    await ben.wait_until_interviewer_paused(quiet_s=2.0, since_s=since_s, timeout_s=20)
    heard = to_float(ben.recording()[round(since_s * SAMPLE_RATE) :: 3])
    text = await asyncio.to_thread(local_models.transcribe, heard)
    assert {"database", "message", "twice"} <= set(text.lower().replace(".", "").split())


async def test_a_listener_without_a_microphone_is_present_and_cannot_be_heard(
    join: Joining,
) -> None:
    ann, ben = await join("ann", microphone=False), await join("ben")
    assert await ann.wait_for_interviewer(timeout_s=20) == "ben"
    assert await join.server.client.list_participants(join.room) == ["ann", "ben"]
    with pytest.raises(CandidateTimeout, match="timed out after"):
        await ben.wait_for_interviewer(timeout_s=0.2)
    with pytest.raises(RuntimeError, match="not open"):
        await ann.say(tone(440, 0.1), SAMPLE_RATE)


async def test_silence_is_not_heard_as_speech(join: Joining) -> None:
    ann, ben = await join("ann"), await join("ben")
    await hear_each_other(ann, ben)
    with pytest.raises(CandidateTimeout):
        await ben.wait_until_interviewer_paused(quiet_s=0.1, timeout_s=0.5)


async def test_a_participant_who_joins_after_another_left_is_heard_alone(join: Joining) -> None:
    ben = await join("ben")
    async with join.candidate("ann") as ann:
        await hear_each_other(ann, ben)
    await ben.wait_until_alone(timeout_s=20)
    silent_since_s = ben.now_s
    eve = await join("eve")
    await hear_each_other(eve, ben)
    await eve.say(tone(600, 0.5), SAMPLE_RATE)
    await ben.wait_until_interviewer_paused(quiet_s=0.5, since_s=silent_since_s, timeout_s=20)
    assert ben.interviewers == ("eve",)
    assert [(who.identity, who.event) for who in ben.presence] == [
        ("ann", "joined"),
        ("ann", "left"),
        ("eve", "joined"),
    ]
    # Only one stream plays at a time: a second one would double the amplitude.
    assert np.abs(ben.recording()).max() < 1.2 * 0.3 * 32_768


async def test_a_removed_candidate_is_disconnected(join: Joining) -> None:
    ann = await join("ann")
    assert await join.server.client.remove_participant(room=join.room, identity="ann")
    await ann.wait_until_disconnected(timeout_s=20)


async def test_captions_grow_and_keep_their_speaker(join: Joining) -> None:
    ann, ben = await join("ann"), await join("ben")
    publisher = ann._room.local_participant
    started = {"lk.segment_id": "1", "lk.transcription_final": "false"}
    writer = await publisher.stream_text(topic="lk.transcription", attributes=started)
    await writer.write("Hello, ")
    await writer.write("welcome.")
    await ben._wait(lambda: bool(ben.captions.others("ben")), "a caption", 20)
    await writer.aclose(attributes={"lk.transcription_final": "true"})
    await ben._wait(lambda: ben.captions.of("ann")[0].final, "the end of a caption", 20)
    (caption,) = ben.captions.of("ann")
    assert caption.text == "Hello, welcome."
    assert caption.start_s <= caption.end_s
    assert "Hello" not in repr(caption)
    assert ben.captions.of("ben") == ()


async def test_a_typed_message_reaches_the_others(join: Joining) -> None:
    ann, ben = await join("ann"), await join("ben")
    got: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
    reading: list[asyncio.Task[None]] = []

    async def read(reader: rtc.TextStreamReader, identity: str) -> None:
        got.set_result((identity, await reader.read_all()))

    def handle(reader: rtc.TextStreamReader, identity: str) -> None:
        reading.append(asyncio.create_task(read(reader, identity)))

    ben._room.register_text_stream_handler("lk.chat", handle)
    await ann.send_text("I cannot hear you.")
    assert await got == ("ann", "I cannot hear you.")


async def test_candidates_hear_each_other_again_after_a_server_restart(
    livekit_binary: Path,
) -> None:
    async with LiveKitServer(livekit_binary) as server, AsyncExitStack() as stack:
        join = Joining(server, stack)
        ann, ben = await join("ann"), await join("ben")
        await hear_each_other(ann, ben)
        await server.kill()
        since_s = ben.now_s
        await server.restart()
        speaking = asyncio.create_task(ann.say(tone(440, 20), SAMPLE_RATE))
        await ben.wait_for_sound(since_s=since_s + 1.0, timeout_s=30)
        await end(speaking)
        assert not ben.disconnected
