"""The audio output that the session's speech and the clips share."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from livekit.agents.voice.io import PlaybackFinishedEvent

from tests.support.virtual.line_parts import RATE, HandSink, clip_of, say, tone
from worker.audio.frames import frame_of
from worker.audio.output import MixedAudioOutput
from worker.clips.recordings import ClipName, load_clip

if TYPE_CHECKING:
    pass


async def test_an_utterance_is_played_and_reported_with_its_length(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    await say(line, tone(1.0, 7))

    event = await line.wait_for_playout()

    assert event.playback_position == pytest.approx(1.0)
    assert not event.interrupted
    assert np.array_equal(sink.heard_pcm, tone(1.0, 7))


async def test_the_start_of_playback_is_reported_once_per_utterance(line: MixedAudioOutput) -> None:
    started: list[object] = []
    line.on("playback_started", started.append)

    for _ in range(2):
        await line.capture_frame(frame_of(tone(0.2, 7), RATE))
        await say(line, tone(0.2, 7))
        await line.wait_for_playout()

    assert len(started) == 2


async def test_capturing_a_minute_of_audio_does_not_wait_for_it_to_be_played(
    held_line: MixedAudioOutput,
) -> None:
    await say(held_line, tone(60.0, 7))

    assert held_line.captured_playout_segments == 1


async def test_an_utterance_without_audio_is_still_reported_as_finished(
    line: MixedAudioOutput,
) -> None:
    await say(line, tone(0.0, 0))

    assert (await line.wait_for_playout()).playback_position == 0.0


async def test_a_flush_without_audio_does_not_count_as_an_utterance(line: MixedAudioOutput) -> None:
    line.flush()

    await line.drain()
    assert line.captured_playout_segments == 0


async def test_stereo_audio_of_another_rate_is_converted(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    stereo = np.full((48_000, 2), 1000, np.int16)
    frame = frame_of(stereo.reshape(-1), 48_000)
    frame = type(frame)(stereo.tobytes(), 48_000, 2, 48_000)

    await line.capture_frame(frame)
    line.flush()
    event = await line.wait_for_playout()

    assert event.playback_position == pytest.approx(1.0, abs=0.01)
    assert np.median(sink.heard_pcm) == pytest.approx(1000, abs=5)


async def test_a_clip_is_played_completely(line: MixedAudioOutput, sink: HandSink) -> None:
    clip = load_clip(ClipName.STILL_THERE)

    assert await line.play(clip) == pytest.approx(clip.duration_s)
    assert np.array_equal(sink.heard_pcm, clip.pcm)


async def test_a_clip_does_not_count_as_an_utterance_of_the_session(line: MixedAudioOutput) -> None:
    finished: list[PlaybackFinishedEvent] = []
    line.on("playback_finished", finished.append)

    await line.play(clip_of(tone(0.2, 5)))

    assert finished == []
    assert line.captured_playout_segments == 0


async def test_a_clip_queued_before_publication_is_played_once_published() -> None:
    sink = HandSink()
    line = MixedAudioOutput(sink)
    playing = asyncio.create_task(line.play(clip_of(tone(0.3, 5))))
    await asyncio.sleep(0)

    await line.publish()

    assert await playing == pytest.approx(0.3)
    await line.aclose()


async def test_publishing_twice_opens_one_track(line: MixedAudioOutput, sink: HandSink) -> None:
    await asyncio.gather(line.publish(), line.publish())

    assert sink.opened == 1


async def test_clips_and_utterances_are_played_in_order_and_never_overlap(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    first = asyncio.create_task(line.play(clip_of(tone(0.3, 1))))
    await asyncio.sleep(0)
    await say(line, tone(0.3, 2))
    second = asyncio.create_task(line.play(clip_of(tone(0.3, 3))))
    await asyncio.gather(first, second)

    wanted = np.concatenate([tone(0.3, 1), tone(0.3, 2), tone(0.3, 3)])
    assert np.array_equal(sink.heard_pcm, wanted)


async def test_a_clip_waits_for_the_end_of_the_current_utterance(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    await line.capture_frame(frame_of(tone(0.2, 2), RATE))
    playing = asyncio.create_task(line.play(clip_of(tone(0.2, 1))))
    await sink.fed.wait()
    await say(line, tone(0.2, 2))
    await playing

    assert np.array_equal(sink.heard_pcm, np.concatenate([tone(0.4, 2), tone(0.2, 1)]))


async def test_a_clip_is_cut_off_when_its_caller_is_cancelled(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    playing = asyncio.create_task(held_line.play(clip_of(tone(2.0, 1))))
    await held.wait_until_full()

    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing

    assert held.queue == []
    await held_line.drain()


async def test_playback_starts_after_a_timeout_without_a_subscriber(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = MixedAudioOutput(HandSink(has_listener=False), subscribe_timeout=0.01)
    await line.publish()

    with caplog.at_level(logging.WARNING):
        played_s = await line.play(clip_of(tone(0.2, 1)))

    assert played_s == pytest.approx(0.2)
    assert not line.subscribed
    assert "no participant subscribed" in caplog.text
    assert not await line.wait_for_subscriber()
    await line.aclose()


async def test_nothing_is_played_until_the_first_participant_subscribes() -> None:
    sink = HandSink(has_listener=False)
    line = MixedAudioOutput(sink)
    await line.publish()
    playing = asyncio.create_task(line.play(clip_of(tone(0.2, 1))))
    await asyncio.sleep(0.01)
    assert sink.heard == []

    sink.listener.set()

    assert await playing == pytest.approx(0.2)
    assert line.subscribed
    await line.aclose()


async def test_silence_cancels_a_clip_that_waits_for_a_subscriber() -> None:
    sink = HandSink(has_listener=False)
    line = MixedAudioOutput(sink)
    await line.publish()
    playing = asyncio.create_task(line.play(clip_of(tone(0.2, 1))))
    await asyncio.sleep(0.01)

    line.silence()
    sink.listener.set()

    assert await playing == 0.0
    assert sink.heard == []
    await line.aclose()


async def test_waiting_for_a_subscriber_before_publication_raises() -> None:
    line = MixedAudioOutput(HandSink())

    with pytest.raises(RuntimeError, match="not published"):
        await line.wait_for_subscriber()
    await line.aclose()


async def test_audio_that_the_sink_rejects_counts_as_not_heard(
    line: MixedAudioOutput, sink: HandSink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.fails = True

    await say(line, tone(0.5, 7))
    event = await line.wait_for_playout()
    sink.fails = False

    assert event.interrupted
    assert "OSError" in str([record.__dict__ for record in caplog.records])
    assert await line.play(clip_of(tone(0.2, 1))) == pytest.approx(0.2)


async def test_closing_stops_playback_and_closes_the_sink(held: HandSink) -> None:
    line = MixedAudioOutput(held)
    await line.publish()
    playing = asyncio.create_task(line.play(clip_of(tone(2.0, 1))))
    await held.wait_until_full()

    await line.aclose()

    assert await playing < 2.0
    assert held.closed
    assert await line.play(clip_of(tone(0.2, 1))) == 0.0
    await say(line, tone(0.2, 7))
    assert (await line.wait_for_playout()).interrupted
    await line.aclose()
