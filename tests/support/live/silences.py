"""Silences in a recording during the interviewer's turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from worker.simulation.audio_analysis import SAMPLE_RATE, AudibleSpan, LevelMeter

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

_FRAME = SAMPLE_RATE // 100


def spans_in(recording: Pcm) -> tuple[AudibleSpan, ...]:
    """Return the audible spans of a recording."""
    meter = LevelMeter()
    for at in range(0, len(recording), _FRAME):
        frame = recording[at : at + _FRAME]
        meter.feed(frame, start_s=at / SAMPLE_RATE, end_s=(at + len(frame)) / SAMPLE_RATE)
    return meter.spans


@dataclass(frozen=True, kw_only=True)
class OurTurn:
    """A stretch of time in which the interviewer has the turn, on the candidate's clock.

    The turn ends with its last sound or text: after that the candidate thinks.
    """

    began_s: float
    ended_s: float
    longest_silence_s: float = 0.0

    def with_sounds(self, spans: Sequence[AudibleSpan], texts_s: Sequence[float]) -> OurTurn:
        """Return a copy with its longest silence; a complete text ends a silence as well."""
        begun = self.began_s
        marks = [(span.start_s, span.end_s) for span in spans]
        marks += [(at_s, at_s) for at_s in texts_s]
        inside = sorted(mark for mark in marks if begun <= mark[1] and mark[0] <= self.ended_s)
        gaps, heard_s = [0.0], begun
        for start_s, end_s in inside:
            gaps.append(start_s - heard_s)
            heard_s = max(heard_s, end_s)
        return replace(self, longest_silence_s=max(gaps))
