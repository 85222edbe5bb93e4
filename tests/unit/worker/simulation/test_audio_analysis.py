"""Levels and recordings of the audio that a participant receives."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from worker.simulation.audio_analysis import (
    SAMPLE_RATE,
    LevelMeter,
    Timeline,
    TrackPlacer,
    write_wav,
)

if TYPE_CHECKING:
    from pathlib import Path

    from worker.audio.dsp import Pcm

FRAME = SAMPLE_RATE // 100


def frame(level: int, count: int = FRAME) -> Pcm:
    return np.full(count, level, np.int16)


def feed(meter: LevelMeter, levels: list[int], *, start_s: float = 0.0) -> list[bool]:
    """Feed consecutive frames of 10 ms."""
    times = [start_s + index / 100 for index in range(len(levels))]
    return [
        meter.feed(frame(level), start_s=at, end_s=at + 0.01)
        for level, at in zip(levels, times, strict=True)
    ]


def test_a_frame_is_audible_at_or_above_the_threshold() -> None:
    meter = LevelMeter(audible_rms=0.01)
    threshold = 328
    assert feed(meter, [threshold - 1, threshold]) == [False, True]


def test_the_loudest_possible_frame_does_not_overflow() -> None:
    assert feed(LevelMeter(), [-32_768]) == [True]


def test_a_short_gap_does_not_end_a_span_and_a_pause_does() -> None:
    meter = LevelMeter()
    feed(meter, [3000] * 10 + [0] * 20 + [3000] * 10 + [0] * 50 + [3000])
    edges = [edge for span in meter.spans for edge in (span.start_s, span.end_s)]
    assert edges == pytest.approx([0.0, 0.4, 0.9, 0.91])


def test_the_first_sound_after_a_moment_may_have_begun_before_it() -> None:
    meter = LevelMeter()
    feed(meter, [3000] * 100)
    assert meter.first_audible_s() == 0.0
    assert meter.first_audible_s(0.5) == 0.5
    assert meter.first_audible_s(1.5) is None
    assert meter.audible_seconds(0.75) == pytest.approx(0.25)


def test_an_empty_frame_is_not_audible() -> None:
    meter = LevelMeter()
    assert not meter.feed(frame(0, 0), start_s=0, end_s=0)
    assert meter.last_audible_s is None
    assert meter.spans == ()


def test_gaps_in_a_timeline_are_silent_and_its_duration_can_be_set() -> None:
    timeline = Timeline()
    timeline.add(frame(5, 10), at=SAMPLE_RATE)
    samples = timeline.samples(duration_s=2)
    assert len(samples) == 2 * SAMPLE_RATE
    assert not samples[:SAMPLE_RATE].any()
    assert samples[SAMPLE_RATE : SAMPLE_RATE + 10].tolist() == [5] * 10
    assert len(timeline.samples(duration_s=0.5)) == SAMPLE_RATE // 2


def test_simultaneous_voices_are_added_and_clipped() -> None:
    timeline = Timeline()
    timeline.add(np.array([30_000, 1], np.int16), at=0)
    timeline.add(np.array([30_000, 2], np.int16), at=0)
    assert timeline.samples().tolist() == [32_767, 3]


def test_a_timeline_grows_and_keeps_its_samples() -> None:
    timeline = Timeline()
    timeline.add(frame(7, 1), at=0)
    timeline.add(frame(8, 1), at=60 * SAMPLE_RATE)
    samples = timeline.samples()
    assert (samples[0], samples[-1]) == (7, 8)
    assert timeline.duration_s == pytest.approx(60, abs=0.001)


def test_frames_that_arrive_in_a_burst_follow_each_other() -> None:
    placer = TrackPlacer()
    first = placer.place(FRAME, now_s=1.0)
    late = [placer.place(FRAME, now_s=1.5) for _ in range(50)]
    assert late == [first + FRAME * (index + 1) for index in range(50)]


def test_lost_frames_leave_a_gap() -> None:
    placer = TrackPlacer()
    placer.place(FRAME, now_s=1.0)
    lost_s = 3.0
    times = [1.0 + lost_s + index / 100 for index in range(20)]
    places = [placer.place(FRAME, now_s=now_s) for now_s in times]
    assert places[-1] == pytest.approx(times[-1] * SAMPLE_RATE - FRAME, abs=FRAME)


def test_a_burst_after_a_stall_is_not_taken_for_lost_frames() -> None:
    placer = TrackPlacer()
    first = placer.place(FRAME, now_s=1.0)
    burst = [placer.place(FRAME, now_s=2.0 + index / 10_000) for index in range(100)]
    after = [placer.place(FRAME, now_s=2.02 + index / 100) for index in range(20)]
    assert burst + after == [first + FRAME * (index + 1) for index in range(120)]


def test_a_late_first_frame_is_compensated() -> None:
    placer = TrackPlacer()
    for index in range(50):
        placer.place(FRAME, now_s=2.0 + index / 10_000)
    times = [2.01 + index / 100 for index in range(20)]
    places = [placer.place(FRAME, now_s=now_s) for now_s in times]
    assert places[-1] == pytest.approx(times[-1] * SAMPLE_RATE - FRAME, abs=FRAME)


def test_a_wav_file_holds_mono_samples_at_48_khz(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    write_wav(path, np.array([1, -2, 3], np.int16))
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 1, 2)
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [1, -2, 3]
