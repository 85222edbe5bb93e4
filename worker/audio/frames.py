"""Conversion between LiveKit's audio frames and 16-bit mono samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from livekit import rtc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.audio.dsp import Pcm


def samples_of(frame: rtc.AudioFrame) -> Pcm:
    """Return the samples of a frame. Several channels are mixed into one."""
    samples = np.frombuffer(frame.data, np.int16)
    if frame.num_channels == 1:
        return samples
    mixed: Pcm = samples.reshape(-1, frame.num_channels).mean(axis=1).astype(np.int16)
    return mixed


def frame_of(samples: Pcm, sample_rate: int) -> rtc.AudioFrame:
    """Return a mono frame of the samples."""
    return rtc.AudioFrame(samples.tobytes(), sample_rate, 1, len(samples))


def pieces_of(frame: rtc.AudioFrame, seconds: float) -> Iterator[rtc.AudioFrame]:
    """Split a mono frame into frames of `seconds` seconds; the last frame has the remainder."""
    size = round(seconds * frame.sample_rate)
    if frame.samples_per_channel <= size:
        yield frame
        return
    samples = samples_of(frame)
    for start in range(0, len(samples), size):
        yield frame_of(samples[start : start + size], frame.sample_rate)


def resampled(samples: Pcm, sample_rate: int, wanted: int) -> Pcm:
    """Return `samples` at the rate `wanted`. Pass a whole recording, not parts of a stream."""
    if sample_rate == wanted or not samples.size:
        return samples
    resampler = rtc.AudioResampler(sample_rate, wanted)
    frames = [*resampler.push(frame_of(samples, sample_rate)), *resampler.flush()]
    return np.concatenate([samples_of(frame) for frame in frames] or [samples[:0]])
