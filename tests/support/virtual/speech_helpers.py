"""Helpers for speech tests: test audio and the word error rate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from worker.audio import dsp
from worker.audio.frames import frame_of, resampled
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livekit import rtc

    from worker.audio.dsp import Pcm

STT_RATE = local_models.STT_SAMPLE_RATE


def spoken(text: str, *, sample_rate: int = STT_RATE) -> Pcm:
    """Return a text as spoken by the local voice."""
    pcm = dsp.to_pcm(local_models.synthesize(text))
    return resampled(pcm, local_models.TTS_SAMPLE_RATE, sample_rate)


def silence(seconds: float, *, sample_rate: int = STT_RATE) -> Pcm:
    """Return digital silence."""
    return np.zeros(round(seconds * sample_rate), np.int16)


def noise(seconds: float, *, rms: float, sample_rate: int = STT_RATE) -> Pcm:
    """Return white noise, identical on each call; full scale of `rms` is 32768."""
    samples = np.random.default_rng(7).normal(0.0, rms, round(seconds * sample_rate))
    pcm: Pcm = samples.clip(-32768, 32767).astype(np.int16)
    return pcm


def in_room(*sounds: Pcm, rms: float = 20.0, sample_rate: int = STT_RATE) -> Pcm:
    """Return the concatenated sounds over the quiet noise of a room."""
    sound = np.concatenate(sounds)
    room = noise(len(sound) / sample_rate, rms=rms, sample_rate=sample_rate)
    mixed: Pcm = (sound.astype(np.int32) + room).clip(-32768, 32767).astype(np.int16)
    return mixed


def frames(
    pcm: Pcm, *, sample_rate: int = STT_RATE, seconds: float = 0.02
) -> Iterator[rtc.AudioFrame]:
    """Yield audio in frames as a room delivers them."""
    step = round(seconds * sample_rate)
    for start in range(0, len(pcm), step):
        yield frame_of(pcm[start : start + step], sample_rate)


def words(text: str) -> list[str]:
    """Return the words of a text without case and punctuation ("good-bye" is "goodbye")."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("-", ""))


def word_error_rate(said: str, heard: str) -> float:
    """Return the word edits (Levenshtein) divided by the number of words said."""
    reference, hypothesis = words(said), words(heard)
    row = list(range(len(hypothesis) + 1))
    for index, word in enumerate(reference, start=1):
        before, row = row, [index]
        for column, other in enumerate(hypothesis, start=1):
            replaced = before[column - 1] + (word != other)
            row.append(min(replaced, before[column] + 1, row[column - 1] + 1))
    return row[-1] / len(reference)
