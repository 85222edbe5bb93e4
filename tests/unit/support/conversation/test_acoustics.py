"""Tests of the sound of a candidate's room."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.conversation.acoustics import (
    FRAME_SAMPLES,
    LOUDSPEAKER_HZ,
    RATE,
    VOICE_DBFS,
    Timbre,
    frame_of_sound,
    level_of,
    returned_frame,
    telephone,
    to_int16,
)


@pytest.mark.parametrize("timbre", set(Timbre) - {Timbre.KEY})
def test_a_sound_has_its_level(timbre: Timbre) -> None:
    sound = frame_of_sound(timbre, VOICE_DBFS)
    assert len(sound) == FRAME_SAMPLES
    assert level_of(sound) == pytest.approx(VOICE_DBFS)
    assert level_of(to_int16(sound) / 32_767) == pytest.approx(VOICE_DBFS, abs=0.1)


def test_an_echo_has_no_frequency_above_those_of_a_loudspeaker() -> None:
    spectrum = np.abs(np.fft.rfft(returned_frame(VOICE_DBFS)))
    above = np.fft.rfftfreq(FRAME_SAMPLES, 1 / RATE) > LOUDSPEAKER_HZ
    assert spectrum[above].max() < 1e-6 * spectrum.max()


def test_a_telephone_keeps_the_level_and_has_few_steps() -> None:
    heard = telephone(frame_of_sound(Timbre.CANDIDATE, VOICE_DBFS))
    assert len(heard) == FRAME_SAMPLES
    assert level_of(heard) == pytest.approx(VOICE_DBFS, abs=1.0)
    assert len(np.unique(heard)) <= 255
