"""The candidate's voice: speech synthesis with the thinking pauses that the script marks."""

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
#: Factor on the interviewer's pitch and speed: a semitone and a half lower, so that a listener
#: can tell the two apart although both use one synthesiser.
CANDIDATE_PITCH = 0.92


class Voice(Protocol):
    """A speech synthesiser."""

    async def render(self, text: str) -> tuple[Pcm, int]:
        """Return the text as 16-bit mono samples, and their rate in samples per second.

        `[pause 1.3]` inside the text becomes 1.3 seconds of silence.
        """
        ...


def split_at_pauses(text: str) -> list[str | float]:
    """Split a script's text into spoken parts (str) and pauses (seconds, float).

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
    """Return a script's text without pause marks, as a correct transcript has it."""
    return " ".join(part for part in split_at_pauses(text) if isinstance(part, str))


class LocalVoice:
    """The bundled synthesiser, at a different pitch than the interviewer's.

    Args:
        pitch: Factor on the synthesiser's pitch and speed. The samples stay unchanged; only
            their declared rate is lower, which costs nothing and adds no artefacts.
        synthesize: Turns text into 24 kHz mono floats. It blocks and is called in a thread.
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
        """Speak a script's text; see `Voice.render`.

        Raises:
            LocalSpeechUnavailable: The synthesiser is not available on this machine.
            LocalSpeechFailed: The synthesiser failed on this text.
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
