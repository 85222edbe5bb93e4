"""The sinks of the audio output."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient

from worker.audio.clip import Clip
from worker.audio.frames import frame_of, samples_of
from worker.audio.output import MixedAudioOutput
from worker.audio.sinks import QUEUE_S, QueueSink, RtcSink

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

RATE = 24_000


def ramp(seconds: float) -> Pcm:
    return np.arange(round(seconds * RATE), dtype=np.int16)


class Listener:
    """The listener of a queue sink."""

    def __init__(self) -> None:
        self.heard: list[Pcm] = []
        self.at: list[float] = []
        self.fails = False
        self.hearing = asyncio.Event()

    async def hear(self, frame: rtc.AudioFrame) -> None:
        self.hearing.set()
        self.heard.append(samples_of(frame))
        self.at.append(asyncio.get_running_loop().time())
        if self.fails:
            raise OSError("the terminal is gone")


class RoomlessRtcSink(RtcSink):
    """A real audio source without a published track."""

    async def open(self, room: rtc.Room | None) -> None:
        return

    async def wait_for_listener(self) -> None:
        return


async def test_frames_are_delivered_in_order_and_not_before_their_time() -> None:
    listener = Listener()
    line = MixedAudioOutput(QueueSink(listener.hear))
    await line.publish()

    await line.play(Clip(name="tone", text="", pcm=ramp(0.5), sample_rate=RATE))
    await line.aclose()

    assert np.array_equal(np.concatenate(listener.heard), ramp(0.5))
    due = itertools.accumulate(len(frame) / RATE for frame in listener.heard[:-1])
    for at, due_s in zip(listener.at[1:], due, strict=True):
        assert at - listener.at[0] >= due_s - 0.001


async def test_a_cleared_queue_sink_drops_its_queued_audio() -> None:
    listener = Listener()
    sink = QueueSink(listener.hear)
    await sink.capture_frame(frame_of(ramp(0.05), RATE))
    assert sink.queued_s == pytest.approx(0.05)

    sink.clear()
    assert sink.queued_s == 0
    await sink.open(None)
    await sink.capture_frame(frame_of(np.full(480, 9, np.int16), RATE))
    await listener.hearing.wait()

    assert listener.heard[0][0] == 9
    await sink.aclose()


async def test_a_full_queue_makes_the_writer_wait() -> None:
    sink = QueueSink(Listener().hear)
    await sink.capture_frame(frame_of(ramp(QUEUE_S), RATE))
    writing = asyncio.create_task(sink.capture_frame(frame_of(ramp(0.05), RATE)))
    await asyncio.sleep(0)
    assert not writing.done()

    await sink.open(None)
    await writing

    await sink.aclose()


async def test_a_failing_listener_does_not_stop_the_output(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = Listener()
    listener.fails = True
    line = MixedAudioOutput(QueueSink(listener.hear))
    await line.publish()

    played_s = await line.play(Clip(name="tone", text="", pcm=ramp(0.1), sample_rate=RATE))
    await line.aclose()

    assert played_s == pytest.approx(0.1)
    assert "audio was not delivered" in caplog.text


async def test_a_real_audio_source_plays_an_utterance_to_its_end() -> None:
    line = MixedAudioOutput(RoomlessRtcSink())
    await line.publish()

    await line.capture_frame(frame_of(ramp(0.6), RATE))
    line.flush()
    event = await line.wait_for_playout()
    await line.aclose()

    assert event.playback_position == pytest.approx(0.6)
    assert not event.interrupted


async def test_a_real_audio_source_reports_the_played_duration_when_cut_off() -> None:
    sink = RoomlessRtcSink()
    line = MixedAudioOutput(sink)
    await line.publish()
    started = asyncio.Event()
    line.on("playback_started", lambda _: started.set())
    await line.capture_frame(frame_of(ramp(5.0), RATE))
    line.flush()
    await started.wait()

    line.silence()
    event = await line.wait_for_playout()

    assert event.interrupted
    assert 0 <= event.playback_position < 5.0
    assert sink.queued_s == 0
    await line.aclose()


async def test_a_thread_plays_on_a_real_audio_source_while_the_event_loop_is_blocked() -> None:
    sink = RoomlessRtcSink()
    frame = frame_of(ramp(0.3), RATE)
    events = FfiClient.instance.queue.subscribe()
    with ThreadPoolExecutor(max_workers=1) as threads:
        played = threads.submit(sink.play_aside, frame, after_s=0.0).result(timeout=10)
        again = threads.submit(sink.play_aside, frame, after_s=0.0).result(timeout=10)
    taken = await asyncio.wait_for(
        events.wait_for(lambda event: event.HasField("capture_audio_frame")), timeout=10
    )
    FfiClient.instance.queue.unsubscribe(events)

    assert played
    assert not again, "it is not quiet"
    assert not taken.capture_audio_frame.error
    assert 0 < sink.aside_s <= 0.3
    assert sink.queued_s == 0
    sink.clear()
    assert sink.aside_s == 0
    await sink.aclose()
    assert not sink.play_aside(frame, after_s=0.0)


async def test_a_changed_sdk_is_logged_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sink = RoomlessRtcSink()
    monkeypatch.delattr(rtc.AudioFrame, "_proto_info")

    assert not sink.play_aside(frame_of(ramp(0.3), RATE), after_s=0.0)
    assert sink.aside_s == 0
    assert caplog.messages == [
        "a message that asks the candidate to wait was not played: cannot play audio while the"
        " event loop is blocked: livekit's SDK has changed (AttributeError)"
    ]
    await sink.aclose()


async def test_a_frame_accepted_after_a_clear_is_cleared_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = RoomlessRtcSink()
    cleared: list[str] = []

    async def take(_: rtc.AudioFrame) -> None:
        sink.clear()
        cleared.append("taken")

    monkeypatch.setattr(sink._source, "capture_frame", take)
    monkeypatch.setattr(sink._source, "clear_queue", lambda: cleared.append("cleared"))
    await sink.capture_frame(frame_of(ramp(5.0), RATE))

    assert cleared == ["cleared", "taken", "cleared"]
    assert sink.queued_s == 0


async def test_a_closed_output_can_be_silenced_and_closed_again() -> None:
    line = MixedAudioOutput(RoomlessRtcSink())
    await line.publish()
    await line.aclose()

    line.silence()
    line.pause()
    line.clear_buffer()
    await line.aclose()

    assert line.silent


async def test_a_track_cannot_be_published_without_a_room() -> None:
    line = MixedAudioOutput()

    with pytest.raises(ValueError, match="room"):
        await line.publish()
    await line.aclose()
