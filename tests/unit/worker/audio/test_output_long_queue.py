"""Complete audio queued in the sink as a whole: interruptions of it are still exact."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.virtual.long_sink import RATE, LongSink
from worker.audio.clip import Clip
from worker.audio.frames import frame_of
from worker.audio.output import MixedAudioOutput
from worker.audio.playout_meter import Playhead
from worker.audio.sinks import QUEUE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.audio.dsp import Pcm

pytestmark = pytest.mark.looptime


def ramp(seconds: float) -> Pcm:
    """Return audio without silence, in which consecutive samples differ."""
    return (np.arange(round(seconds * RATE)) % 20_000 + 1_000).astype(np.int16)


def clip_of(pcm: Pcm) -> Clip:
    return Clip(name="ramp", text="", pcm=pcm, sample_rate=RATE)


@pytest.fixture
async def sink() -> LongSink:
    return LongSink()


@pytest.fixture
async def line(sink: LongSink) -> AsyncIterator[MixedAudioOutput]:
    line = MixedAudioOutput(sink)
    await line.publish()
    yield line
    await line.aclose()


async def test_a_clip_is_queued_completely(line: MixedAudioOutput, sink: LongSink) -> None:
    playing = asyncio.create_task(line.play(clip_of(ramp(6.0))))
    await asyncio.sleep(0.1)
    assert sink.queued_s == pytest.approx(5.9)

    assert await playing == pytest.approx(6.0)
    assert asyncio.get_running_loop().time() == pytest.approx(6.0, abs=0.01)
    assert np.array_equal(sink.heard, ramp(6.0))


async def test_a_complete_utterance_is_queued_completely(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    await line.capture_frame(frame_of(ramp(8.0), RATE))
    await asyncio.sleep(1.0)
    assert sink.queued_s <= QUEUE_S

    line.flush()
    await asyncio.sleep(0.01)
    assert sink.queued_s == pytest.approx(7.0, abs=0.02)
    assert (await line.wait_for_playout()).playback_position == pytest.approx(8.0)
    assert np.array_equal(sink.heard, ramp(8.0))
    assert max(sink.gaps_s) == pytest.approx(0.0, abs=1e-6)


async def test_a_clip_longer_than_the_queue_is_played_without_a_gap(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    assert await line.play(clip_of(ramp(25.0))) == pytest.approx(25.0)
    assert np.array_equal(sink.heard, ramp(25.0))
    assert max(sink.gaps_s) == pytest.approx(0.0, abs=1e-6)


async def test_an_interrupted_utterance_was_heard_up_to_the_cut(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    await line.capture_frame(frame_of(ramp(6.0), RATE))
    line.flush()
    await asyncio.sleep(1.3)
    line.clear_buffer()
    event = await line.wait_for_playout()
    await asyncio.sleep(10)

    assert event.interrupted
    assert event.playback_position == pytest.approx(1.3)
    assert np.array_equal(sink.heard, ramp(1.3))
    assert line.heard_at(speech=True) == pytest.approx(1.3)


async def test_paused_audio_loses_nothing_and_repeats_nothing(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    await line.capture_frame(frame_of(ramp(6.0), RATE))
    line.flush()
    await asyncio.sleep(1.3)
    line.pause()
    await asyncio.sleep(4)
    assert np.array_equal(sink.heard, ramp(1.3))
    assert line.heard_at() == pytest.approx(1.3)

    line.resume()
    assert (await line.wait_for_playout()).playback_position == pytest.approx(6.0)
    assert np.array_equal(sink.heard, ramp(6.0))


async def test_a_held_clip_continues_where_it_stopped(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    playing = asyncio.create_task(line.play(clip_of(ramp(6.0))))
    await asyncio.sleep(2.5)
    line.hold()
    await asyncio.sleep(4)
    assert np.array_equal(sink.heard, ramp(2.5))

    line.release()
    assert await playing == pytest.approx(6.0)
    assert np.array_equal(sink.heard, ramp(6.0))


async def test_audio_cut_off_while_the_sink_accepts_it_is_not_heard(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    sink.takes_s = 0.5
    playing = asyncio.create_task(line.play(clip_of(ramp(6.0))))
    await asyncio.sleep(0.2)
    line.silence()

    assert await playing == pytest.approx(0.2)
    await asyncio.sleep(3)
    assert line.heard_at() == pytest.approx(0.2)


def test_an_empty_playhead_counts_from_the_next_audio() -> None:
    now = 100.0
    playhead = Playhead(lambda: now)
    assert playhead.left_s == 0.0

    playhead.add(2.0)
    now = 101.5
    assert playhead.left_s == pytest.approx(0.5)
    now = 110.0
    assert playhead.left_s == 0.0
    playhead.add(1.0)
    playhead.add(1.0)
    assert playhead.left_s == pytest.approx(2.0)
    playhead.clear()
    assert playhead.left_s == 0.0


async def test_a_clip_played_aside_is_heard_and_delays_other_audio(
    line: MixedAudioOutput, sink: LongSink
) -> None:
    await line.capture_frame(frame_of(ramp(1.0), RATE))
    await asyncio.sleep(3.5)
    assert not line.play_aside(clip_of(ramp(1.5)), after_s=2.6), "it was quiet for 2.5 s only"
    assert line.play_aside(clip_of(ramp(1.5)), after_s=2.4)
    assert not line.play_aside(clip_of(ramp(1.5)), after_s=0.0), "it is not quiet"

    await line.capture_frame(frame_of(ramp(1.0), RATE))
    line.flush()
    await asyncio.sleep(0.5)
    assert line.heard_at() == pytest.approx(4.0)
    assert line.heard_at(speech=True) == pytest.approx(1.0)
    assert (await line.wait_for_playout()).playback_position == pytest.approx(2.0)
    assert np.array_equal(sink.heard, np.concatenate([ramp(1.0), ramp(1.5), ramp(1.0)]))


async def test_speech_interrupted_while_a_clip_plays_aside_was_heard_up_to_the_clip(
    line: MixedAudioOutput,
) -> None:
    await line.capture_frame(frame_of(ramp(1.0), RATE))
    await asyncio.sleep(3.5)
    line.play_aside(clip_of(ramp(1.5)), after_s=2.0)
    await line.capture_frame(frame_of(ramp(1.0), RATE))
    line.flush()
    await asyncio.sleep(0.5)
    line.clear_buffer()

    assert (await line.wait_for_playout()).playback_position == pytest.approx(1.0)


@pytest.mark.parametrize("how", ["silence", "hold", "pause"])
async def test_nothing_is_played_aside_on_a_silenced_held_or_paused_output(
    line: MixedAudioOutput, how: str
) -> None:
    getattr(line, how)()

    assert not line.play_aside(clip_of(ramp(1.5)), after_s=0.0)
