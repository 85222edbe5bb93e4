"""The candidate's voice: text in, sound out, with thinking pauses where the script marks them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Protocol

import numpy as np

from worker.speech import local_models
from worker.speech.audio import to_pcm

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.speech.audio import Floats, Pcm

_PAUSE = re.compile(r"\[pause (\d+(?:\.\d+)?)\]")
#: Of the interviewer's pitch and speed: a semitone and a half lower, so that a listener tells
#: the two apart though one synthesiser speaks for both.
CANDIDATE_PITCH = 0.92


class Voice(Protocol):
    """Something that speaks a text."""

    async def render(self, text: str) -> tuple[Pcm, int]:
        """Return the text as 16-bit mono samples, and their rate in samples per second.

        `[pause 1.3]` inside the text is that many seconds of silence.
        """
        ...


def split_at_pauses(text: str) -> list[str | float]:
    """Cut a script's text into what is spoken (str) and how long is paused (seconds).

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
    """The words of a script's text alone, as a transcript of it should read."""
    return " ".join(part for part in split_at_pauses(text) if isinstance(part, str))


class LocalVoice:
    """The bundled synthesiser, at another pitch than the interviewer's.

    Args:
        pitch: Pitch and speed, of the synthesiser's own. The samples are not touched, they are
            only declared to be of a lower rate, which costs nothing and adds no artefacts.
        synthesize: Turns text into 24 kHz mono floats; blocks, and is called in a thread.
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
            LocalSpeechUnavailable: The synthesiser is not to be had on this machine.
            LocalSpeechFailed: It failed on this text.
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
