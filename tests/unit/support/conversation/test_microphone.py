"""Tests of the mixer of a candidate's microphone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.conversation.acoustics import VOICE_DBFS, Timbre, level_of
from tests.support.conversation.microphone import Acoustics, Echo, Mixer, noise_parts, spoken_parts
from tests.support.conversation.words import Lexicon
from worker.audio.frames import samples_of

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

pytestmark = pytest.mark.looptime

#: Number of an interviewer's word.
ECHOED = 77


def nothing(_: float) -> int:
    return 0


async def heard(mixer: Mixer) -> Pcm:
    return samples_of(await anext(mixer))


def level(samples: Pcm) -> float:
    return level_of(samples[1:] / 32_767)


async def test_a_spoken_word_has_its_number_and_the_level_of_the_voice() -> None:
    mixer = Mixer(Acoustics(), nothing)
    mixer.speak(Lexicon().speak("word"))
    frame = await heard(mixer)
    assert frame[0] == 1
    assert level(frame) == pytest.approx(VOICE_DBFS, abs=0.2)


async def test_a_noise_has_no_number() -> None:
    mixer = Mixer(Acoustics(), nothing)
    mixer.sound(noise_parts(Timbre.COUGH, 0.1, VOICE_DBFS))
    frame = await heard(mixer)
    assert frame[0] == 0
    assert level(frame) == pytest.approx(VOICE_DBFS, abs=0.2)


async def test_of_two_voices_the_louder_one_is_understood() -> None:
    mixer = Mixer(Acoustics(), nothing)
    own, other = Lexicon().speak("own other")
    mixer.speak([own])
    mixer.sound(spoken_parts([other] * 9, Timbre.OTHER_VOICE, VOICE_DBFS - 15))
    frames = [await heard(mixer) for _ in range(8)]
    assert {int(frame[0]) for frame in frames} == {1, 2, 0}
    assert frames[0][0] == own.number
    assert level(frames[-2]) == pytest.approx(VOICE_DBFS - 15, abs=0.5)


async def test_an_echo_returns_what_was_audible_a_moment_ago_at_its_level() -> None:
    asked: list[float] = []

    def echoed(at: float) -> int:
        asked.append(at)
        return ECHOED

    mixer = Mixer(Acoustics(echo=Echo(db=-12, delay_s=0.25)), echoed)
    frame = await heard(mixer)
    assert asked == [pytest.approx(0.05 - 0.25)]
    assert frame[0] == ECHOED
    assert level(frame) == pytest.approx(VOICE_DBFS - 12, abs=0.2)


async def test_a_muted_microphone_sends_digital_silence() -> None:
    mixer = Mixer(Acoustics(), nothing)
    mixer.muted = True
    mixer.speak(Lexicon().speak("lost"))
    assert not np.any(await heard(mixer))


async def test_a_telephone_keeps_the_number_of_a_word() -> None:
    mixer = Mixer(Acoustics(telephone=True), nothing)
    mixer.speak(Lexicon().speak("word"))
    assert (await heard(mixer))[0] == 1
