"""The audio output when an utterance is interrupted, paused or silenced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from livekit.agents.voice.io import PlaybackFinishedEvent

from tests.support.virtual.line_parts import RATE, HandSink, clip_of, say, tone
from worker.audio.frames import frame_of
from worker.audio.output import MixedAudioOutput

if TYPE_CHECKING:
    pass


async def test_an_interrupted_utterance_is_reported_with_its_heard_duration(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await say(held_line, tone(3.0, 7))
    await held.wait_until_full()
    held.play(0.25)

    held_line.clear_buffer()
    event = await held_line.wait_for_playout()

    assert event.interrupted
    assert event.playback_position == pytest.approx(0.25)
    assert held.queue == []


async def test_an_utterance_interrupted_in_the_queue_was_not_heard(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    playing = asyncio.create_task(held_line.play(clip_of(tone(0.3, 1))))
    await held.fed.wait()
    await say(held_line, tone(1.0, 7))

    held_line.clear_buffer()
    event = await held_line.wait_for_playout()

    assert (event.playback_position, event.interrupted) == (0.0, True)
    assert held.queued_s > 0
    held.plays_at_once = True
    held.play_out()
    assert await playing == pytest.approx(0.3)


async def test_an_unfinished_utterance_that_is_interrupted_is_reported_at_its_flush(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    finished: list[PlaybackFinishedEvent] = []
    held_line.on("playback_finished", finished.append)
    await held_line.capture_frame(frame_of(tone(1.0, 7), RATE))
    await held.wait_until_full()
    held.play(0.1)

    held_line.clear_buffer()
    await held_line.capture_frame(frame_of(tone(1.0, 7), RATE))
    assert finished == []
    held_line.flush()
    event = await held_line.wait_for_playout()

    assert event.playback_position == pytest.approx(0.1)
    assert len(finished) == 1
    assert held.queue == []


async def test_the_utterance_after_an_interrupted_one_is_heard(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await say(held_line, tone(1.0, 7))
    await held.wait_until_full()
    held_line.clear_buffer()
    await held_line.wait_for_playout()
    held.plays_at_once = True

    await say(held_line, tone(0.5, 8))
    event = await held_line.wait_for_playout()

    assert event.playback_position == pytest.approx(0.5)
    assert not event.interrupted
    assert np.array_equal(held.heard_pcm, tone(0.5, 8))


async def test_an_interruption_while_nothing_plays_reports_nothing(line: MixedAudioOutput) -> None:
    finished: list[PlaybackFinishedEvent] = []
    line.on("playback_finished", finished.append)

    line.clear_buffer()
    await line.drain()

    assert finished == []


async def test_a_paused_utterance_loses_nothing_and_repeats_nothing(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    pcm = np.arange(RATE, dtype=np.int16)
    await say(held_line, pcm)
    await held.wait_until_full()
    held.play(0.25)

    held_line.pause()
    assert held.queue == []
    held.plays_at_once = True
    held_line.resume()
    event = await held_line.wait_for_playout()

    assert event.playback_position == pytest.approx(1.0)
    assert np.array_equal(held.heard_pcm, pcm)


async def test_an_utterance_interrupted_while_paused_is_reported_with_its_heard_duration(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await say(held_line, tone(1.0, 7))
    await held.wait_until_full()
    held.play(0.2)

    held_line.pause()
    held_line.clear_buffer()
    event = await held_line.wait_for_playout()

    assert event.playback_position == pytest.approx(0.2)


async def test_no_audio_reaches_the_sink_while_an_utterance_is_paused(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    line.pause()
    await say(line, tone(0.5, 7))
    await asyncio.sleep(0.01)
    assert sink.heard == []

    line.resume()
    await line.wait_for_playout()

    assert np.array_equal(sink.heard_pcm, tone(0.5, 7))


async def test_a_clip_plays_while_the_session_is_paused(line: MixedAudioOutput) -> None:
    line.pause()

    assert await line.play(clip_of(tone(0.2, 1))) == pytest.approx(0.2)


async def test_silence_cuts_off_all_audio_and_blocks_later_audio(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await say(held_line, tone(2.0, 7))
    playing = asyncio.create_task(held_line.play(clip_of(tone(1.0, 1))))
    await held.wait_until_full()
    held.play(0.3)

    held_line.silence()
    event = await held_line.wait_for_playout()
    assert event.playback_position == pytest.approx(0.3)
    assert event.interrupted
    assert await playing == 0.0
    assert await held_line.play(clip_of(tone(1.0, 1))) == 0.0
    await say(held_line, tone(1.0, 7))
    event = await held_line.wait_for_playout()

    assert (event.playback_position, event.interrupted) == (0.0, True)
    assert held.queue == []
    assert len(held.heard_pcm) == round(0.3 * RATE)


async def test_an_utterance_cut_off_by_silence_stays_cut_off_when_it_ends(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    line.silence()
    await line.capture_frame(frame_of(tone(0.5, 7), RATE))
    line.unsilence()
    await say(line, tone(0.5, 7))
    assert (await line.wait_for_playout()).interrupted

    await say(line, tone(0.5, 8))
    await line.wait_for_playout()

    assert np.array_equal(sink.heard_pcm, tone(0.5, 8))
