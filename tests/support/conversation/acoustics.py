"""Sound of a candidate's room as samples: voices, noises, levels, a loudspeaker, a telephone.

All sounds repeat every frame of 50 ms, so that a frame is made once. Levels are in dBFS: decibels
below the loudest square wave.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from worker.transport.in_memory import FRAME_S

Samples: TypeAlias = npt.NDArray[np.float64]

RATE: Final = 16_000
FRAME_SAMPLES: Final = round(FRAME_S * RATE)
#: Level of the candidate's voice, and of the room while nobody speaks.
VOICE_DBFS: Final = -20.0
ROOM_DBFS: Final = -65.0
#: Upper end of the frequencies that a small loudspeaker and the room return.
LOUDSPEAKER_HZ: Final = 3000.0
_FULL_SCALE: Final = 32_767.0
_MU: Final = 255.0
#: Number of overtones of a voice.
_OVERTONES: Final = 15


class Timbre(Enum):
    """Sources of sound. The value is the pitch of a voice in Hz, or the name of a noise."""

    CANDIDATE = 140
    INTERVIEWER = 180
    OTHER_VOICE = 220
    COUGH = "cough"
    KEY = "key"
    ROOM = "room"


@cache
def frame_of_sound(timbre: Timbre, dbfs: float) -> Samples:
    """Return a frame of the sound at a level. All frames of one sound are equal."""
    if isinstance(timbre.value, int):
        sound = _voice(timbre.value)
    else:
        # A fixed seed for each noise: a frame is the same in every run.
        sound = np.random.default_rng(len(timbre.value)).standard_normal(FRAME_SAMPLES)
        if timbre is Timbre.KEY:
            sound[round(0.2 * FRAME_SAMPLES) :] = 0.0
    return at_level(sound, dbfs)


@cache
def returned_frame(dbfs: float) -> Samples:
    """Return a frame of the interviewer's voice as a loudspeaker and the room return it."""
    return at_level(low_pass(_voice(int(Timbre.INTERVIEWER.value)), LOUDSPEAKER_HZ), dbfs)


def _voice(pitch_hz: int) -> Samples:
    at_s = np.arange(FRAME_SAMPLES) / RATE
    tones = [np.sin(2 * np.pi * n * pitch_hz * at_s) / n for n in range(1, _OVERTONES + 1)]
    voice: Samples = np.sum(tones, axis=0)
    return voice


def at_level(sound: Samples, dbfs: float) -> Samples:
    """Return the sound at a level."""
    scaled: Samples = sound * (10 ** (dbfs / 20) / np.sqrt(np.mean(np.square(sound))))
    return scaled


def level_of(sound: npt.NDArray[np.floating | np.integer]) -> float:
    """Return the level of a sound in dBFS; minus infinity for digital silence."""
    mean = float(np.mean(np.square(sound.astype(np.float64))))
    return 10 * np.log10(mean) if mean else -np.inf


def low_pass(sound: Samples, hertz: float) -> Samples:
    """Return a frame without the frequencies above `hertz`."""
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > hertz] = 0.0
    return np.fft.irfft(spectrum, len(sound))


def telephone(sound: Samples) -> Samples:
    """Return the sound after 8 kHz and 8-bit mu-law (ITU-T G.711)."""
    narrow = low_pass(sound, 3400.0)[::2].clip(-1.0, 1.0)
    pressed = np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU)
    steps = np.round(pressed * 127) / 127
    return np.repeat(np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU, 2)


def to_int16(sound: Samples) -> npt.NDArray[np.int16]:
    """Return the samples as 16-bit integers; too loud ones are clipped."""
    return (sound.clip(-1.0, 1.0) * _FULL_SCALE).astype(np.int16)
