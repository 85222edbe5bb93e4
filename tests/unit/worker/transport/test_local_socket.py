"""A job's transport without LiveKit, and the candidate at the other end of its socket."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from livekit.agents import Agent, AgentSession, stt

from worker.audio.clip import Clip
from worker.audio.frames import frame_of, samples_of
from worker.simulation.candidate import CandidateTimeout
from worker.simulation.socket_candidate import SocketCandidate
from worker.transport.local_protocol import SAMPLE_RATE, Wire
from worker.transport.local_socket import (
    SOCKET_VARIABLE,
    CandidateVoice,
    NoCandidateSocket,
    SocketTransport,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

    from livekit import rtc
    from livekit.agents import JobContext, ModelSettings

    from worker.audio.dsp import Pcm

pytestmark = pytest.mark.looptime

#: Seconds until a test gives up waiting.
PATIENCE_S = 20.0
ME = "candidate-1"


def tone(seconds: float, sample_rate: int = SAMPLE_RATE) -> Pcm:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    samples: Pcm = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    return samples


CLIP = Clip(name="tone", text="", pcm=tone(0.3, 24_000), sample_rate=24_000)


async def speech(seconds: float) -> AsyncIterator[rtc.AudioFrame]:
    yield frame_of(tone(seconds), SAMPLE_RATE)


class NoSTT(stt.STT[Any]):
    """A placeholder that makes the session listen; the agent below gets the audio."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError


class Listening(Agent):
    """An agent that notes received audio and gives no transcript."""

    def __init__(self) -> None:
        super().__init__(instructions="Listen.")
        self.heard = asyncio.Event()

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        async for frame in audio:
            if samples_of(frame).any():
                self.heard.set()
        return
        yield ""


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "socket"
        monkeypatch.setenv(SOCKET_VARIABLE, str(path))
        yield path


@pytest.fixture
async def candidate(socket: Path) -> AsyncIterator[SocketCandidate]:
    async with SocketCandidate(socket, ME) as waiting:
        yield waiting


@pytest.fixture
async def stage(socket: Path) -> AsyncIterator[SocketTransport]:
    """Yield a transport that is not connected yet."""
    no_room = cast("JobContext", None)  # this transport uses nothing of it
    stage = SocketTransport(no_room, lambda event: pytest.fail(f"unexpected event {event}"))
    yield stage
    await stage.leave()


async def test_the_handshake_needs_a_waiting_candidate(stage: SocketTransport) -> None:
    with pytest.raises(FileNotFoundError):
        await stage.connect()
    assert not stage.candidate_is_here


async def test_the_handshake_needs_a_socket(
    stage: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SOCKET_VARIABLE)
    with pytest.raises(NoCandidateSocket, match=SOCKET_VARIABLE):
        await stage.connect()


async def test_both_participants_are_present_after_the_handshake(
    stage: SocketTransport, candidate: SocketCandidate
) -> None:
    assert candidate.interviewers == ()
    await stage.connect()
    assert stage.candidate_is_here
    assert await candidate.wait_for_interviewer(timeout_s=PATIENCE_S) != candidate.identity


async def test_a_clip_is_heard_completely_and_recorded(
    stage: SocketTransport, candidate: SocketCandidate
) -> None:
    await stage.connect()
    await stage.open_line()
    await stage.line.play(CLIP)
    await candidate.wait_until_interviewer_paused(quiet_s=0.1, timeout_s=PATIENCE_S)
    assert candidate.meter.audible_seconds() == pytest.approx(0.3, abs=0.06)
    loud = np.count_nonzero(np.abs(candidate.recording()) > 500) / SAMPLE_RATE
    assert loud == pytest.approx(0.3, abs=0.05)


async def test_a_session_speaks_with_captions_and_hears_the_candidate(
    stage: SocketTransport, candidate: SocketCandidate
) -> None:
    session: AgentSession[None] = AgentSession(
        stt=NoSTT(), vad=None, turn_handling={"turn_detection": "stt"}
    )
    agent = Listening()
    await stage.connect()
    await stage.open_line()
    await stage.start_session(session, agent)
    try:
        await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
        await candidate.say(tone(0.2), SAMPLE_RATE)
        await asyncio.wait_for(agent.heard.wait(), PATIENCE_S)
        await session.say("Hello there.", audio=speech(0.3))
        await candidate.wait_until_interviewer_paused(quiet_s=0.1, timeout_s=PATIENCE_S)
        (caption,) = candidate.captions.others(ME)
        assert (caption.text, caption.final) == ("Hello there.", True)
        assert candidate.captions.of(ME) == ()
    finally:
        await session.aclose()


async def test_the_candidate_notices_that_the_interviewer_left(
    stage: SocketTransport, candidate: SocketCandidate
) -> None:
    await stage.connect()
    await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
    with pytest.raises(CandidateTimeout):
        await candidate.wait_until_alone(timeout_s=0)
    await stage.leave()
    await candidate.wait_until_alone(timeout_s=PATIENCE_S)


async def test_the_interviewer_notices_that_the_candidate_left(
    stage: SocketTransport, candidate: SocketCandidate
) -> None:
    await stage.connect()
    await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
    moved = asyncio.create_task(stage.candidate_moved())
    await candidate.leave()
    await asyncio.wait_for(moved, PATIENCE_S)
    assert not stage.candidate_is_here


async def test_an_invalid_peer_counts_as_a_candidate_who_left(
    stage: SocketTransport, socket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(talk, socket)
    await stage.connect()
    await asyncio.wait_for(stage.candidate_moved(), PATIENCE_S)
    assert not stage.candidate_is_here
    assert "received invalid data" in caplog.text
    server.close()


async def test_a_second_interviewer_is_refused(
    stage: SocketTransport, candidate: SocketCandidate, socket: Path
) -> None:
    await stage.connect()
    await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
    second = await Wire.connect(socket)
    assert await asyncio.wait_for(second.receive(), PATIENCE_S) is None
    assert stage.candidate_is_here
    await second.aclose()


async def test_an_answer_is_kept_in_the_recording_on_request(
    stage: SocketTransport, candidate: SocketCandidate
) -> None:
    await stage.connect()
    await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
    await candidate.say(tone(0.2), SAMPLE_RATE)
    assert not candidate.recording().any()
    assert candidate.recording(own_voice=True).any()


async def test_the_candidates_voice_is_kept_only_while_a_session_listens() -> None:
    voice = CandidateVoice()
    voice.push(frame_of(tone(0.02), SAMPLE_RATE))
    voice.on_attached()
    kept = frame_of(2 * tone(0.02), SAMPLE_RATE)
    voice.push(kept)
    voice.on_detached()
    voice.push(frame_of(tone(0.02), SAMPLE_RATE))
    voice.end()
    frames = [frame async for frame in voice]
    assert [samples_of(frame).tolist() for frame in frames] == [samples_of(kept).tolist()]
    assert [frame async for frame in voice] == []


async def test_no_interviewer_can_connect_after_the_candidate_has_left(socket: Path) -> None:
    async with SocketCandidate(socket, ME):
        pass
    with pytest.raises(FileNotFoundError):
        await Wire.connect(socket)
