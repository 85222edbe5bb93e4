"""The candidate's sounds, as the floor counts them."""

from __future__ import annotations

import pytest
from livekit.agents import vad

from worker.interview.conversation.voiced_sound import VoicedSound
from worker.interview.dialogue.floor.inputs import Input, SoundBegins, SoundEnds, SoundGoesOn

pytestmark = pytest.mark.looptime

_START, _END = vad.VADEventType.START_OF_SPEECH, vad.VADEventType.END_OF_SPEECH
_DONE = vad.VADEventType.INFERENCE_DONE


class Detector:
    """A VAD whose windows are 0.05 s long, and the inputs of the floor that it leads to."""

    def __init__(self) -> None:
        self.given: list[Input] = []
        self._sound = VoicedSound(self.given.append)
        self._at_s = 0.0

    def tells(self, kind: vad.VADEventType, loud: bool = False, speech_s: float = 0.0) -> None:
        self._at_s += 0.05
        self._sound.hear(
            vad.VADEvent(
                type=kind,
                samples_index=0,
                timestamp=self._at_s,
                speech_duration=speech_s,
                silence_duration=0.0,
                probability=1.0 if loud else 0.0,
            )
        )

    def windows(self, count: int, *, loud: bool) -> None:
        for _ in range(count):
            self.tells(_DONE, loud)

    def opens_anew(self) -> None:
        self._at_s = 0.0


async def test_the_silence_at_the_end_of_speech_is_not_voiced() -> None:
    detector = Detector()
    detector.tells(_START, True, 0.1)
    detector.windows(6, loud=True)
    detector.windows(10, loud=False)
    detector.tells(_END)

    *_, last = detector.given
    assert isinstance(last, SoundEnds)
    assert last.voiced_s == pytest.approx(0.4)


async def test_a_sound_ends_after_a_fifth_of_a_second_and_may_begin_again() -> None:
    detector = Detector()
    detector.tells(_START, True, 0.1)
    detector.windows(4, loud=False)
    detector.windows(2, loud=True)

    kinds = [type(given) for given in detector.given]
    assert kinds == [SoundBegins, SoundEnds, SoundBegins, SoundGoesOn]


async def test_a_sound_that_the_vad_does_not_take_for_speech_is_none() -> None:
    detector = Detector()
    detector.windows(20, loud=True)

    assert detector.given == []


async def test_a_stream_of_the_vad_that_was_opened_again_adds_no_voice() -> None:
    detector = Detector()
    detector.tells(_START, True, 0.1)
    detector.opens_anew()
    detector.windows(2, loud=True)

    *_, last = detector.given
    assert isinstance(last, SoundGoesOn)
    assert last.voiced_s == pytest.approx(0.15)
