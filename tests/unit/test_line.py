"""The line that the session's speech and the clips share."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from job_parts import RealTimeSink
from livekit.agents.voice.io import PlaybackFinishedEvent

from worker.interview.clips import ClipName, load_clip
from worker.speech.clip import Clip
from worker.speech.frames import frame_of, samples_of
from worker.speech.line import Line
from worker.speech.sinks import QUEUE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit import rtc

    from worker.speech.audio import Pcm

RATE = 24_000


class HandSink:
    """A sink that plays when the test says so, or all at once."""

    sample_rate = RATE
    capacity_s = QUEUE_S
    aside_s = 0.0

    def __init__(self, *, plays_at_once: bool = True, has_listener: bool = True) -> None:
        self.plays_at_once = plays_at_once
        self.heard: list[Pcm] = []
        self.queue: list[Pcm] = []
        self.fails = False
        self.opened = 0
        self.closed = False
        self.fed = asyncio.Event()
        self.listener = asyncio.Event()
        if has_listener:
            self.listener.set()

    @property
    def queued_s(self) -> float:
        return sum(len(pcm) for pcm in self.queue) / RATE

    @property
    def heard_pcm(self) -> Pcm:
        return np.concatenate([np.zeros(0, np.int16), *self.heard])

    async def open(self, room: rtc.Room | None) -> None:
        self.opened += 1

    async def wait_for_listener(self) -> None:
        await self.listener.wait()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self.fails:
            raise OSError("no audio device")
        assert not self.closed
        assert self.queued_s + frame.duration <= self.capacity_s + 1e-6
        self.queue.append(samples_of(frame))
        if self.plays_at_once:
            self.play_out()
        self.fed.set()

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        if self.queue:
            return False
        self.heard.append(samples_of(frame))
        return True

    def play(self, seconds: float) -> None:
        """Let so many seconds of what is queued be heard."""
        queued = np.concatenate(self.queue)
        count = round(seconds * RATE)
        self.heard.append(queued[:count])
        self.queue = [queued[count:]]

    def play_out(self) -> None:
        """Let all that is queued be heard."""
        self.heard += self.queue
        self.queue.clear()

    def clear(self) -> None:
        self.queue.clear()

    async def aclose(self) -> None:
        self.closed = True

    async def wait_until_full(self) -> None:
        while self.queued_s < QUEUE_S - 0.001:
            self.fed.clear()
            await self.fed.wait()


def tone(seconds: float, value: int) -> Pcm:
    """Audio that a test tells by its value."""
    return np.full(round(seconds * RATE), value, np.int16)


def clip_of(pcm: Pcm) -> Clip:
    return Clip(name="tone", text="", pcm=pcm, sample_rate=RATE)


async def say(line: Line, pcm: Pcm, *, sample_rate: int = RATE) -> None:
    """What the session does with one utterance."""
    await line.capture_frame(frame_of(pcm, sample_rate))
    line.flush()


@pytest.fixture
async def sink() -> HandSink:
    return HandSink()


@pytest.fixture
async def line(sink: HandSink) -> AsyncIterator[Line]:
    """A published line whose audio is heard at once."""
    line = Line(sink)
    await line.publish()
    yield line
    await line.aclose()


@pytest.fixture
async def held() -> HandSink:
    return HandSink(plays_at_once=False)


@pytest.fixture
async def held_line(held: HandSink) -> AsyncIterator[Line]:
    """A published line whose audio is heard when the test says so."""
    line = Line(held)
    await line.publish()
    yield line
    await line.aclose()


async def test_an_utterance_is_played_and_reported_with_its_length(
    line: Line, sink: HandSink
) -> None:
    await say(line, tone(1.0, 7))

    event = await line.wait_for_playout()

    assert event.playback_position == pytest.approx(1.0)
    assert not event.interrupted
    assert np.array_equal(sink.heard_pcm, tone(1.0, 7))


async def test_playback_is_reported_to_start_once_an_utterance(line: Line) -> None:
    started: list[object] = []
    line.on("playback_started", started.append)

    for _ in range(2):
        await line.capture_frame(frame_of(tone(0.2, 7), RATE))
        await say(line, tone(0.2, 7))
        await line.wait_for_playout()

    assert len(started) == 2


async def test_capturing_a_minute_of_audio_does_not_wait_for_it_to_be_played(
    held_line: Line,
) -> None:
    await say(held_line, tone(60.0, 7))

    assert held_line.captured_playout_segments == 1


async def test_an_utterance_without_audio_is_finished_all_the_same(line: Line) -> None:
    await say(line, tone(0.0, 0))

    assert (await line.wait_for_playout()).playback_position == 0.0


async def test_a_flush_without_an_utterance_is_no_utterance(line: Line) -> None:
    line.flush()

    await line.drain()
    assert line.captured_playout_segments == 0


async def test_audio_of_another_rate_and_two_channels_is_converted(
    line: Line, sink: HandSink
) -> None:
    stereo = np.full((48_000, 2), 1000, np.int16)
    frame = frame_of(stereo.reshape(-1), 48_000)
    frame = type(frame)(stereo.tobytes(), 48_000, 2, 48_000)

    await line.capture_frame(frame)
    line.flush()
    event = await line.wait_for_playout()

    assert event.playback_position == pytest.approx(1.0, abs=0.01)
    assert np.median(sink.heard_pcm) == pytest.approx(1000, abs=5)


async def test_a_clip_is_played_whole(line: Line, sink: HandSink) -> None:
    clip = load_clip(ClipName.STILL_THERE)

    assert await line.play(clip) == pytest.approx(clip.duration_s)
    assert np.array_equal(sink.heard_pcm, clip.pcm)


async def test_a_clip_is_no_utterance_of_the_session(line: Line) -> None:
    finished: list[PlaybackFinishedEvent] = []
    line.on("playback_finished", finished.append)

    await line.play(clip_of(tone(0.2, 5)))

    assert finished == []
    assert line.captured_playout_segments == 0


async def test_a_clip_queued_before_the_line_is_published_is_played_then() -> None:
    sink = HandSink()
    line = Line(sink)
    playing = asyncio.create_task(line.play(clip_of(tone(0.3, 5))))
    await asyncio.sleep(0)

    await line.publish()

    assert await playing == pytest.approx(0.3)
    await line.aclose()


async def test_publishing_twice_opens_one_track(line: Line, sink: HandSink) -> None:
    await asyncio.gather(line.publish(), line.publish())

    assert sink.opened == 1


async def test_clips_and_utterances_are_played_in_their_order_and_never_together(
    line: Line, sink: HandSink
) -> None:
    first = asyncio.create_task(line.play(clip_of(tone(0.3, 1))))
    await asyncio.sleep(0)
    await say(line, tone(0.3, 2))
    second = asyncio.create_task(line.play(clip_of(tone(0.3, 3))))
    await asyncio.gather(first, second)

    wanted = np.concatenate([tone(0.3, 1), tone(0.3, 2), tone(0.3, 3)])
    assert np.array_equal(sink.heard_pcm, wanted)


async def test_a_clip_waits_for_an_utterance_that_goes_on(line: Line, sink: HandSink) -> None:
    await line.capture_frame(frame_of(tone(0.2, 2), RATE))
    playing = asyncio.create_task(line.play(clip_of(tone(0.2, 1))))
    await sink.fed.wait()
    await say(line, tone(0.2, 2))
    await playing

    assert np.array_equal(sink.heard_pcm, np.concatenate([tone(0.4, 2), tone(0.2, 1)]))


async def test_a_clip_whose_caller_is_cancelled_is_cut_off(held_line: Line, held: HandSink) -> None:
    playing = asyncio.create_task(held_line.play(clip_of(tone(2.0, 1))))
    await held.wait_until_full()

    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing

    assert held.queue == []
    await held_line.drain()


async def test_an_interrupted_utterance_is_reported_with_what_was_heard(
    held_line: Line, held: HandSink
) -> None:
    await say(held_line, tone(3.0, 7))
    await held.wait_until_full()
    held.play(0.25)

    held_line.clear_buffer()
    event = await held_line.wait_for_playout()

    assert event.interrupted
    assert event.playback_position == pytest.approx(0.25)
    assert held.queue == []


async def test_an_utterance_interrupted_before_its_turn_was_not_heard_at_all(
    held_line: Line, held: HandSink
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


async def test_an_utterance_interrupted_while_it_goes_on_is_reported_at_its_flush(
    held_line: Line, held: HandSink
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
    held_line: Line, held: HandSink
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


async def test_interrupting_when_nothing_is_said_reports_nothing(line: Line) -> None:
    finished: list[PlaybackFinishedEvent] = []
    line.on("playback_finished", finished.append)

    line.clear_buffer()
    await line.drain()

    assert finished == []


async def test_a_paused_utterance_loses_nothing_and_repeats_nothing(
    held_line: Line, held: HandSink
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


async def test_an_utterance_paused_and_then_interrupted_is_reported_with_what_was_heard(
    held_line: Line, held: HandSink
) -> None:
    await say(held_line, tone(1.0, 7))
    await held.wait_until_full()
    held.play(0.2)

    held_line.pause()
    held_line.clear_buffer()
    event = await held_line.wait_for_playout()

    assert event.playback_position == pytest.approx(0.2)


async def test_nothing_of_an_utterance_is_fed_while_it_is_paused(
    line: Line, sink: HandSink
) -> None:
    line.pause()
    await say(line, tone(0.5, 7))
    await asyncio.sleep(0.01)
    assert sink.heard == []

    line.resume()
    await line.wait_for_playout()

    assert np.array_equal(sink.heard_pcm, tone(0.5, 7))


async def test_a_clip_goes_on_while_the_session_is_paused(line: Line) -> None:
    line.pause()

    assert await line.play(clip_of(tone(0.2, 1))) == pytest.approx(0.2)


async def test_silence_cuts_off_everything_and_nothing_is_fed_after_it(
    held_line: Line, held: HandSink
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


async def test_an_utterance_under_way_stays_cut_off_when_the_silence_ends(
    line: Line, sink: HandSink
) -> None:
    line.silence()
    await line.capture_frame(frame_of(tone(0.5, 7), RATE))
    line.unsilence()
    await say(line, tone(0.5, 7))
    assert (await line.wait_for_playout()).interrupted

    await say(line, tone(0.5, 8))
    await line.wait_for_playout()

    assert np.array_equal(sink.heard_pcm, tone(0.5, 8))


async def test_a_listener_who_never_comes_is_waited_for_only_so_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line(HandSink(has_listener=False), subscribe_timeout=0.01)
    await line.publish()

    with caplog.at_level(logging.WARNING):
        played_s = await line.play(clip_of(tone(0.2, 1)))

    assert played_s == pytest.approx(0.2)
    assert not line.subscribed
    assert "nobody has subscribed" in caplog.text
    assert not await line.wait_for_subscriber()
    await line.aclose()


async def test_nothing_is_played_until_the_first_listener_has_come() -> None:
    sink = HandSink(has_listener=False)
    line = Line(sink)
    await line.publish()
    playing = asyncio.create_task(line.play(clip_of(tone(0.2, 1))))
    await asyncio.sleep(0.01)
    assert sink.heard == []

    sink.listener.set()

    assert await playing == pytest.approx(0.2)
    assert line.subscribed
    await line.aclose()


async def test_silence_holds_for_what_was_waiting_for_a_listener() -> None:
    sink = HandSink(has_listener=False)
    line = Line(sink)
    await line.publish()
    playing = asyncio.create_task(line.play(clip_of(tone(0.2, 1))))
    await asyncio.sleep(0.01)

    line.silence()
    sink.listener.set()

    assert await playing == 0.0
    assert sink.heard == []
    await line.aclose()


async def test_a_line_that_is_not_published_has_no_subscriber_to_wait_for() -> None:
    line = Line(HandSink())

    with pytest.raises(RuntimeError, match="not published"):
        await line.wait_for_subscriber()
    await line.aclose()


async def test_audio_that_the_sink_refuses_counts_as_not_heard(
    line: Line, sink: HandSink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.fails = True

    await say(line, tone(0.5, 7))
    event = await line.wait_for_playout()
    sink.fails = False

    assert event.interrupted
    assert "OSError" in str([record.__dict__ for record in caplog.records])
    assert await line.play(clip_of(tone(0.2, 1))) == pytest.approx(0.2)


async def test_closing_ends_what_is_played_and_the_sink(held: HandSink) -> None:
    line = Line(held)
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


# --- what is heard, and when nobody hears ------------------------------------------------------


@pytest.mark.looptime
async def test_what_was_played_out_counts_and_not_what_is_queued() -> None:
    sink = RealTimeQueue()
    line = Line(sink)
    await line.publish()
    assert line.heard_at() is None

    await say(line, tone(1.0, 700))
    await asyncio.sleep(0.5)
    assert line.heard_at() == pytest.approx(0.5, abs=0.06)
    await asyncio.sleep(3)
    assert line.heard_at() == line.heard_at(speech=True) == pytest.approx(1.0, abs=0.06)
    await line.aclose()


@pytest.mark.looptime
async def test_what_is_cut_off_was_heard_up_to_there() -> None:
    line = Line(RealTimeQueue())
    await line.publish()
    await say(line, tone(3.0, 700))
    await asyncio.sleep(1)
    line.clear_buffer()
    await asyncio.sleep(3)

    assert line.heard_at() == pytest.approx(1.0, abs=0.06)
    await line.aclose()


@pytest.mark.looptime
async def test_digital_silence_is_not_heard_and_a_clip_is_no_speech() -> None:
    line = Line(RealTimeQueue())
    await line.publish()
    await say(line, tone(1.0, 0))
    await line.drain()
    assert line.heard_at() is None

    await line.play(clip_of(tone(1.0, 700)))
    assert line.heard_at() == pytest.approx(2.0, abs=0.1)
    assert line.heard_at(speech=True) is None
    await line.aclose()


@pytest.mark.looptime
async def test_the_first_sound_is_the_first_after_a_mark_and_no_silence() -> None:
    line = Line(RealTimeQueue())
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
async def test_what_is_played_to_nobody_is_not_heard() -> None:
    line = Line(HandSink(has_listener=False), subscribe_timeout=1.0)
    await line.publish()
    await line.play(clip_of(tone(1.0, 700)))

    assert not line.listened
    assert line.heard_at() is None
    await line.aclose()


async def test_what_is_held_goes_on_where_it_stopped(held_line: Line, held: HandSink) -> None:
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


async def test_a_clip_is_interjected_into_an_utterance_that_has_stalled(
    line: Line, sink: HandSink
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


async def test_an_utterance_interrupted_behind_an_interjection_was_heard_so_far(
    held_line: Line, held: HandSink
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


async def test_nothing_is_interjected_while_there_is_something_to_be_heard(
    held_line: Line, held: HandSink
) -> None:
    await say(held_line, tone(3.0, 2))
    await held.wait_until_full()

    assert await held_line.interject(clip_of(tone(0.2, 1))) == 0.0


async def test_nothing_is_interjected_for_nobody(held_line: Line) -> None:
    held_line.hold()

    assert await held_line.interject(clip_of(tone(0.2, 1))) == 0.0


class RealTimeQueue(HandSink):
    """Plays what is queued by the loop's clock, as a sound card does."""

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


async def test_of_an_utterance_it_tells_what_was_played_and_what_was_made(
    held_line: Line, held: HandSink
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


async def test_how_long_an_utterance_is_that_is_ended_and_cut_off_at_once_nobody_knows(
    held_line: Line, held: HandSink
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
    """Sentences of so many seconds, with pauses in between."""
    pause = tone(pause_s, 0)
    return np.concatenate([part for each in seconds for part in (tone(each, 3000), pause)])


async def sentence_over_after(line: Line, longest_s: float) -> tuple[float, bool]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    heard = await line.sentence_over(longest_s=longest_s)
    return loop.time() - began, heard


@pytest.mark.looptime
async def test_a_sentence_that_ends_in_time_is_heard_to_its_end() -> None:
    line = Line(RealTimeSink())
    await line.publish()
    await say(line, sentences_of(2.0))
    await asyncio.sleep(1.0)
    waited_s, heard = await sentence_over_after(line, 4.0)
    assert heard
    assert waited_s == pytest.approx(1.2, abs=0.1)
    await line.aclose()


@pytest.mark.looptime
async def test_of_a_long_utterance_what_comes_before_a_pause_is_heard() -> None:
    line = Line(RealTimeSink())
    await line.publish()
    await say(line, sentences_of(3.0, 10.0))
    await asyncio.sleep(1.0)
    waited_s, heard = await sentence_over_after(line, 4.0)
    assert not heard
    assert waited_s == pytest.approx(2.0, abs=0.3)  # the sink takes 0.3 s at a time
    await line.aclose()


@pytest.mark.looptime
async def test_one_that_is_still_being_made_is_waited_for_a_moment() -> None:
    line = Line(RealTimeSink())
    await line.publish()
    await line.capture_frame(frame_of(sentences_of(3.0), RATE))
    asyncio.get_running_loop().call_later(0.3, line.flush)
    waited_s, heard = await sentence_over_after(line, 4.0)
    assert heard
    assert waited_s == pytest.approx(3.2, abs=0.1)
    await line.aclose()


@pytest.mark.looptime
@pytest.mark.parametrize("longest_s", [0.0, 4.0])
async def test_where_nothing_is_said_or_nobody_may_wait_it_is_over_at_once(
    longest_s: float,
) -> None:
    line = Line(RealTimeSink())
    await line.publish()
    if not longest_s:
        await say(line, sentences_of(2.0))
    assert await sentence_over_after(line, longest_s) == (0.0, False)
    await line.aclose()
