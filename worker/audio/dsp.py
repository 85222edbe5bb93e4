"""Small operations on mono audio, as numpy arrays: conversion, levels, trimming, cutting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Pcm = npt.NDArray[np.int16]

#: Samples per second of the interviewer's voice, in the room and in the output of the local model.
VOICE_SAMPLE_RATE: Final = 24_000

_PCM_SCALE = 32768.0


def to_float(pcm: Pcm) -> Floats:
    """Convert 16-bit samples to floats in [-1, 1)."""
    return pcm.astype(np.float32) / np.float32(_PCM_SCALE)


def to_pcm(samples: Floats) -> Pcm:
    """Convert floats to 16-bit samples; values outside [-1, 1] are clipped."""
    pcm: Pcm = np.clip(samples * _PCM_SCALE, -_PCM_SCALE, _PCM_SCALE - 1).astype(np.int16)
    return pcm


def window_levels(samples: Floats, window: int) -> Floats:
    """Return the root mean square (0 to 1) of each whole window of `window` samples, in order."""
    count = len(samples) // window
    windows = samples[: count * window].reshape(count, window).astype(np.float64)
    levels: Floats = np.sqrt(np.mean(np.square(windows), axis=1)).astype(np.float32)
    return levels


def trim_silence(
    samples: Floats,
    sample_rate: int,
    *,
    threshold: float,
    keep_before_s: float,
    keep_after_s: float,
) -> Floats:
    """Shorten the silence at both ends to `keep_before_s` and `keep_after_s` seconds.

    Silence is audio below `threshold` (0 to 1). Returns an empty array if no sample exceeds the
    threshold.
    """
    loud = np.flatnonzero(np.abs(samples) > threshold)
    if loud.size == 0:
        return samples[:0]
    start = max(0, int(loud[0]) - round(keep_before_s * sample_rate))
    stop = min(len(samples), int(loud[-1]) + 1 + round(keep_after_s * sample_rate))
    return samples[start:stop]


def quietest_cut(samples: Floats, sample_rate: int, *, longest_s: float, search_s: float) -> int:
    """Return the sample index at which to cut audio that is longer than `longest_s`.

    The cut is in the middle of the quietest 200 ms within the `search_s` seconds before
    `longest_s`, because a cut there is the least likely to split a word.
    """
    stop = round(longest_s * sample_rate)
    start = round((longest_s - search_s) * sample_rate)
    step = sample_rate // 50
    power = np.square(window_levels(samples[start:stop], step))
    spread = min(10, len(power))
    loudness = np.convolve(power, np.ones(spread), mode="valid")
    return start + (int(np.argmin(loudness)) * 2 + spread) * step // 2


def split_long(
    samples: Floats, sample_rate: int, *, longest_s: float, search_s: float
) -> list[Floats]:
    """Split audio into pieces of at most `longest_s` seconds, each cut at a quiet place.

    The concatenated pieces equal the input: nothing is lost or repeated.
    """
    pieces: list[Floats] = []
    while len(samples) > longest_s * sample_rate:
        cut = quietest_cut(samples, sample_rate, longest_s=longest_s, search_s=search_s)
        pieces.append(samples[:cut])
        samples = samples[cut:]
    pieces.append(samples)
    return pieces
