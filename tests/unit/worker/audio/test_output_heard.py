"""The heard part of the output's audio, playback without a listener, and sentence ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.virtual.job_parts import RealTimeSink
from tests.support.virtual.line_parts import RATE, HandSink, clip_of, say, tone
from worker.audio.frames import frame_of
from worker.audio.output import MixedAudioOutput

if TYPE_CHECKING:
    from livekit import rtc

    from worker.audio.dsp import Pcm


# --- heard audio, and playback without a listener ----------------------------------------------


@pytest.mark.looptime
async def test_played_audio_counts_as_heard_and_queued_audio_does_not() -> None:
    sink = RealTimeQueue()
    line = MixedAudioOutput(sink)
    await line.publish()
    assert line.heard_at() is None

    await say(line, tone(1.0, 700))
    await asyncio.sleep(0.5)
    assert line.heard_at() == pytest.approx(0.5, abs=0.06)
    await asyncio.sleep(3)
    assert line.heard_at() == line.heard_at(speech=True) == pytest.approx(1.0, abs=0.06)
    await line.aclose()


@pytest.mark.looptime
async def test_interrupted_speech_was_heard_up_to_the_cut() -> None:
    line = MixedAudioOutput(RealTimeQueue())
    await line.publish()
    await say(line, tone(3.0, 700))
    await asyncio.sleep(1)
    line.clear_buffer()
    await asyncio.sleep(3)

    assert line.heard_at() == pytest.approx(1.0, abs=0.06)
    await line.aclose()


@pytest.mark.looptime
async def test_digital_silence_does_not_count_as_heard_and_a_clip_not_as_speech() -> None:
    line = MixedAudioOutput(RealTimeQueue())
    await line.publish()
    await say(line, tone(1.0, 0))
    await line.drain()
    assert line.heard_at() is None

    await line.play(clip_of(tone(1.0, 700)))
    assert line.heard_at() == pytest.approx(2.0, abs=0.1)
    assert line.heard_at(speech=True) is None
    await line.aclose()


@pytest.mark.looptime
async def test_the_first_heard_time_is_the_first_sound_after_the_mark() -> None:
    line = MixedAudioOutput(RealTimeQueue())
    await line.publish()
    await line.play(clip_of(tone(1.0, 700)))
    line.mark()
    assert line.first_heard_at is None

    await say(line, np.concatenate([tone(1.0, 0), tone(3.0, 700)]))
    await asyncio.sleep(0.9)
    assert line.first_heard_at is None
    await asyncio.sleep(1.0)
    assert line.first_heard_at == pytest.approx(2.0, abs=0.06)
    line.clear_buffer()
    await line.play(clip_of(tone(1.0, 700)))
    assert line.first_heard_at == pytest.approx(2.0, abs=0.06)
    await line.aclose()


@pytest.mark.looptime
async def test_audio_played_without_a_listener_is_not_heard() -> None:
    line = MixedAudioOutput(HandSink(has_listener=False), subscribe_timeout=1.0)
    await line.publish()
    await line.play(clip_of(tone(1.0, 700)))

    assert not line.listened
    assert line.heard_at() is None
    await line.aclose()


async def test_held_speech_continues_where_it_stopped(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    pcm = np.arange(RATE, dtype=np.int16)
    await say(held_line, pcm)
    await held.wait_until_full()
    held.play(0.25)

    held_line.hold()
    assert held.queue == []
    assert not held_line.listened
    held.plays_at_once = True
    await asyncio.sleep(0)
    assert len(held.heard_pcm) == round(0.25 * RATE)
    held_line.release()
    event = await held_line.wait_for_playout()

    assert not event.interrupted
    assert np.array_equal(held.heard_pcm, pcm)


async def test_a_clip_is_interjected_into_a_stalled_utterance(
    line: MixedAudioOutput, sink: HandSink
) -> None:
    await line.capture_frame(frame_of(tone(0.2, 2), RATE))
    while sink.heard_pcm.size < round(0.2 * RATE):
        sink.fed.clear()
        await sink.fed.wait()
    assert await line.interject(clip_of(tone(0.2, 1))) == pytest.approx(0.2)
    await say(line, tone(0.2, 2))
    event = await line.wait_for_playout()

    wanted = np.concatenate([tone(0.2, 2), tone(0.2, 1), tone(0.2, 2)])
    assert np.array_equal(sink.heard_pcm, wanted)
    assert event.playback_position == pytest.approx(0.4)


async def test_an_utterance_interrupted_during_an_interjection_was_heard_up_to_it(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await held_line.capture_frame(frame_of(tone(0.2, 2), RATE))
    while held.queued_s < 0.199:
        held.fed.clear()
        await held.fed.wait()
    held.play_out()
    playing = asyncio.create_task(held_line.interject(clip_of(tone(0.2, 1))))
    await asyncio.sleep(0)
    held_line.clear_buffer()
    held_line.flush()
    event = await held_line.wait_for_playout()

    assert event.interrupted
    assert event.playback_position == pytest.approx(0.2)
    held.plays_at_once = True
    held.play_out()
    assert await playing == pytest.approx(0.2)


async def test_nothing_is_interjected_while_audio_plays(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await say(held_line, tone(3.0, 2))
    await held.wait_until_full()

    assert await held_line.interject(clip_of(tone(0.2, 1))) == 0.0


async def test_nothing_is_interjected_without_a_listener(held_line: MixedAudioOutput) -> None:
    held_line.hold()

    assert await held_line.interject(clip_of(tone(0.2, 1))) == 0.0


class RealTimeQueue(HandSink):
    """Plays queued audio by the loop's clock, as a sound card does."""

    def __init__(self) -> None:
        super().__init__(plays_at_once=False)
        self._until = 0.0

    @property
    def queued_s(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self._until = asyncio.get_running_loop().time() + self.queued_s + frame.duration

    def clear(self) -> None:
        self._until = 0.0


async def test_the_last_playout_has_the_played_and_the_synthesized_duration(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    assert held_line.last_playout is None
    await say(held_line, tone(1.0, 7))
    await held.wait_until_full()
    held.play(0.15)
    held_line.clear_buffer()

    event = await held_line.wait_for_playout()

    assert held_line.last_playout is not None
    assert held_line.last_playout.played_s == pytest.approx(event.playback_position)
    assert held_line.last_playout.made_s == pytest.approx(1.0)


async def test_the_synthesized_duration_is_unknown_after_an_immediate_cut(
    held_line: MixedAudioOutput, held: HandSink
) -> None:
    await held_line.capture_frame(frame_of(tone(1.0, 7), RATE))
    await held.wait_until_full()
    held_line.flush()
    held_line.clear_buffer()

    await held_line.wait_for_playout()

    assert held_line.last_playout is not None
    assert held_line.last_playout.made_s is None


# --- the end of a sentence ------------------------------------------------------------------------


def sentences_of(*seconds: float, pause_s: float = 0.2) -> Pcm:
    """Return sentences of these durations in seconds, with pauses in between."""
    pause = tone(pause_s, 0)
    return np.concatenate([part for each in seconds for part in (tone(each, 3000), pause)])


async def sentence_over_after(line: MixedAudioOutput, longest_s: float) -> tuple[float, bool]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    heard = await line.sentence_over(longest_s=longest_s)
    return loop.time() - began, heard


@pytest.mark.looptime
async def test_a_sentence_that_ends_in_time_plays_to_its_end() -> None:
    line = MixedAudioOutput(RealTimeSink())
    await line.publish()
    await say(line, sentences_of(2.0))
    await asyncio.sleep(1.0)
    waited_s, heard = await sentence_over_after(line, 4.0)
    assert heard
    assert waited_s == pytest.approx(1.2, abs=0.1)
    await line.aclose()


@pytest.mark.looptime
async def test_a_long_utterance_plays_until_a_pause() -> None:
    line = MixedAudioOutput(RealTimeSink())
    await line.publish()
    await say(line, sentences_of(3.0, 10.0))
    await asyncio.sleep(1.0)
    waited_s, heard = await sentence_over_after(line, 4.0)
    assert not heard
    assert waited_s == pytest.approx(2.0, abs=0.3)  # the sink takes 0.3 s at a time
    await line.aclose()


@pytest.mark.looptime
async def test_a_sentence_still_in_synthesis_is_waited_for_briefly() -> None:
    line = MixedAudioOutput(RealTimeSink())
    await line.publish()
    await line.capture_frame(frame_of(sentences_of(3.0), RATE))
    asyncio.get_running_loop().call_later(0.3, line.flush)
    waited_s, heard = await sentence_over_after(line, 4.0)
    assert heard
    assert waited_s == pytest.approx(3.2, abs=0.1)
    await line.aclose()


@pytest.mark.looptime
@pytest.mark.parametrize("longest_s", [0.0, 4.0])
async def test_without_speech_or_time_to_wait_the_sentence_is_over_immediately(
    longest_s: float,
) -> None:
    line = MixedAudioOutput(RealTimeSink())
    await line.publish()
    if not longest_s:
        await say(line, sentences_of(2.0))
    assert await sentence_over_after(line, longest_s) == (0.0, False)
    await line.aclose()
