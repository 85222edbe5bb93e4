"""Conversion, trimming and cutting of audio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.audio import dsp

RATE = 1000


def test_samples_above_full_scale_are_clipped_and_do_not_wrap_around() -> None:
    loud = np.array([2.0, -2.0, 0.0], np.float32)

    assert dsp.to_pcm(loud).tolist() == [32767, -32768, 0]


def test_samples_are_unchanged_after_conversion_to_floats_and_back() -> None:
    pcm = np.arange(-32768, 32768, 7, dtype=np.int16)

    assert np.array_equal(dsp.to_pcm(dsp.to_float(pcm)), pcm)


def test_silence_is_trimmed_to_the_configured_margins() -> None:
    samples = np.zeros(1000, np.float32)
    samples[400:500] = 0.5

    trimmed = dsp.trim_silence(samples, RATE, threshold=0.1, keep_before_s=0.01, keep_after_s=0.1)

    assert len(trimmed) == 10 + 100 + 100
    assert trimmed[10] == 0.5


def test_trimming_pure_silence_leaves_nothing() -> None:
    trimmed = dsp.trim_silence(
        np.zeros(1000, np.float32), RATE, threshold=0.1, keep_before_s=0.1, keep_after_s=0.1
    )

    assert trimmed.size == 0


def test_long_audio_is_cut_in_its_longest_pause() -> None:
    samples = np.full(3000, 0.5, np.float32)
    samples[1500:1800] = 0.0

    cut = dsp.quietest_cut(samples, RATE, longest_s=2.0, search_s=1.0)

    assert 1500 <= cut <= 1800


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.0])
def test_short_audio_is_not_split(seconds: float) -> None:
    samples = np.ones(round(seconds * RATE), np.float32)

    assert len(dsp.split_long(samples, RATE, longest_s=2.0, search_s=1.0)) == 1


@given(st.integers(min_value=0, max_value=9000), st.integers(min_value=0, max_value=2**32 - 1))
def test_pieces_respect_the_limit_and_together_equal_the_audio(length: int, seed: int) -> None:
    samples = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)

    pieces = dsp.split_long(samples, RATE, longest_s=2.0, search_s=1.0)

    assert all(len(piece) <= 2000 for piece in pieces)
    assert np.array_equal(np.concatenate(pieces), samples)
