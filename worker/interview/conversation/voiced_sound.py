"""The candidate's sounds as inputs of the floor, from the events of the voice activity detector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from livekit.agents import vad

from worker.interview.dialogue.floor.inputs import Input, SoundBegins, SoundEnds, SoundGoesOn

#: Probability of speech from which a frame counts as voiced. Silero's default threshold.
VOICED: Final = 0.5
#: Seconds without voice after which a sound is over. The VAD itself waits longer (0.55 s).
QUIET_S: Final = 0.2
#: Maximum seconds between two events of the VAD that are counted. A VAD stream that was opened
#: again counts its time from 0.
_MOST_S: Final = 0.1


class VoicedSound:
    """Counts the voiced seconds of each sound, without the silence that the VAD adds to speech.

    Args:
        give: Takes the inputs of the floor.
    """

    def __init__(self, give: Callable[[Input], object]) -> None:
        self._give = give
        #: Time of the VAD's last event, on the clock of its stream.
        self._at_s = 0.0
        #: True while the VAD reports speech.
        self._speech = False
        #: True from the begin of a sound that was given until its end.
        self._sounds = False
        self._voiced_s = self._quiet_s = 0.0

    def hear(self, event: vad.VADEvent) -> None:
        """Take an event of the VAD."""
        passed_s = min(max(0.0, event.timestamp - self._at_s), _MOST_S)
        self._at_s = event.timestamp
        if event.type is vad.VADEventType.START_OF_SPEECH:
            self._speech = True
            self._begin(max(event.speech_duration, passed_s))
        elif event.type is vad.VADEventType.END_OF_SPEECH:
            self._speech = False
            self._end()
        elif self._speech and event.probability >= VOICED:
            self._go_on(passed_s)
        elif self._sounds:
            self._quiet_s += passed_s
            if self._quiet_s >= QUIET_S:
                self._end()

    def _begin(self, voiced_s: float) -> None:
        self._sounds, self._voiced_s, self._quiet_s = True, voiced_s, 0.0
        self._give(SoundBegins(at=_now(), voiced_s=voiced_s))

    def _go_on(self, passed_s: float) -> None:
        if not self._sounds:
            self._begin(passed_s)
            return
        self._voiced_s, self._quiet_s = self._voiced_s + passed_s, 0.0
        self._give(SoundGoesOn(at=_now(), voiced_s=self._voiced_s))

    def _end(self) -> None:
        if self._sounds:
            self._sounds = False
            self._give(SoundEnds(at=_now(), voiced_s=self._voiced_s))


def _now() -> float:
    return asyncio.get_running_loop().time()
