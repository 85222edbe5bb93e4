"""The voice of the candidate: speech synthesis with the pauses that are marked in the text."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Protocol

import numpy as np

from worker.audio.dsp import to_pcm
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.audio.dsp import Floats, Pcm

_PAUSE = re.compile(r"\[pause (\d+(?:\.\d+)?)\]")
#: Pitch and speed of the candidate's voice, relative to the interviewer's voice. The candidate's
#: voice is a semitone and a half lower, so that a listener can tell the two voices apart although
#: both use the same synthesiser.
CANDIDATE_PITCH = 0.92


class Voice(Protocol):
    """A speech synthesiser."""

    async def render(self, text: str) -> tuple[Pcm, int]:
        """Return the spoken text as 16-bit mono samples, and the sample rate in hertz.

        `[pause 1.3]` inside the text becomes 1.3 seconds of silence.
        """
        ...


def split_at_pauses(text: str) -> list[str | float]:
    """Split a text with pause marks into spoken parts (str) and pauses in seconds (float).

    >>> split_at_pauses("Well, [pause 1.3] yes.")
    ['Well,', 1.3, 'yes.']
    """
    parts: list[str | float] = []
    for index, part in enumerate(_PAUSE.split(text)):
        if index % 2:
            parts.append(float(part))
        elif part.strip():
            parts.append(part.strip())
    return parts


def without_pauses(text: str) -> str:
    """Return a text without its pause marks, which is how a correct transcript reads."""
    return " ".join(part for part in split_at_pauses(text) if isinstance(part, str))


class LocalVoice:
    """The local speech synthesiser, with a lower pitch than the interviewer's voice.

    Args:
        pitch: Factor by which the pitch and the speed of the synthesiser change. The samples stay
            unchanged and only their sample rate is changed, which costs nothing and adds no
            artefacts.
        synthesize: Turns text into mono floats at 24 kHz. The function blocks, so it is called in a
            thread.
    """

    def __init__(
        self,
        *,
        pitch: float = CANDIDATE_PITCH,
        synthesize: Callable[[str], Floats] = local_models.synthesize,
    ) -> None:
        self._rate = round(local_models.TTS_SAMPLE_RATE * pitch)
        self._synthesize = synthesize

    async def render(self, text: str) -> tuple[Pcm, int]:
        """Synthesize a text with pause marks; see `Voice.render`.

        Raises:
            LocalSpeechUnavailable: The synthesiser is not available on this machine.
            LocalSpeechFailed: The synthesiser could not speak this text.
        """
        return await asyncio.to_thread(self._render, text), self._rate

    def _render(self, text: str) -> Pcm:
        sound: list[Floats] = [np.zeros(0, np.float32)]
        for part in split_at_pauses(text):
            if isinstance(part, str):
                sound.append(self._synthesize(part))
            else:
                sound.append(np.zeros(round(part * self._rate), np.float32))
        return to_pcm(np.concatenate(sound))
