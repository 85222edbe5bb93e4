"""Split speech of more than `local_models.LONGEST_PIECE_S` seconds for transcription."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worker.audio import dsp
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.audio.dsp import Pcm

_RATE: Final = local_models.STT_SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of speech to transcribe. Times are seconds of audio since the stream began."""

    samples: Pcm
    start_s: float
    end_s: float
    #: True if the speaker stopped after this piece, False if the same speech continues after it.
    ends_speech: bool


class SpeechPieces:
    """Collects the audio of speech in progress (16 kHz mono), and returns pieces to transcribe."""

    def __init__(self) -> None:
        self._speech: list[Pcm] | None = None
        self._start_s = 0.0

    @property
    def going_on(self) -> bool:
        """True while speech is in progress."""
        return self._speech is not None

    def begin(self, samples: Iterable[Pcm], now_s: float) -> None:
        """Begin to collect speech. `samples` is the audio of the speech so far, up to `now_s`."""
        self._speech = list(samples)
        held_s = sum(len(part) for part in self._speech) / _RATE
        self._start_s = now_s - held_s

    def go_on(self, samples: Iterable[Pcm], now_s: float) -> Piece | None:
        """Add audio to the speech in progress. Return a piece if the collected audio is too long.

        Returns None if the collected audio takes at most `LONGEST_PIECE_S` seconds, or if no speech
        is in progress.
        """
        if self._speech is None:
            return None
        self._speech += samples
        longest_s = local_models.LONGEST_PIECE_S
        if now_s - self._start_s <= longest_s:
            return None
        whole = np.concatenate(self._speech)
        cut = dsp.quietest_cut(
            dsp.to_float(whole),
            _RATE,
            longest_s=longest_s,
            search_s=local_models.CUT_SEARCH_S,
        )
        end_s = self._start_s + cut / _RATE
        piece = Piece(samples=whole[:cut], start_s=self._start_s, end_s=end_s, ends_speech=False)
        self._speech = [whole[cut:]]
        self._start_s = end_s
        return piece

    def end(self, end_s: float) -> Piece | None:
        """End the speech in progress, and return its audio that is not part of an earlier piece.

        Returns None if no speech is in progress.
        """
        if self._speech is None:
            return None
        samples, self._speech = np.concatenate(self._speech), None
        return Piece(samples=samples, start_s=self._start_s, end_s=end_s, ends_speech=True)
