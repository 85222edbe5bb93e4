"""Cut a stream of speech into segments, as Deepgram does; the samples are the only clock.

Segments are contiguous: each begins at the end of the last final one. A segment is final when the
speaker pauses for the requested endpointing time, or when the segment has become long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from worker.audio import dsp

if TYPE_CHECKING:
    from worker.audio.dsp import Floats

RATE: Final = 16_000
_WINDOW: Final = RATE // 50
#: Number of loud windows, among how many of the latest ones, from which sound counts as speech:
#: 0.12 s in 0.2 s, longer than a key click.
_ONSET: Final = (6, 10)
#: Samples to keep before the onset, because words begin softly.
_PADDING: Final = RATE * 3 // 10
#: A window is loud if its root mean square (0 to 1) reaches both `_QUIET` and `_ABOVE_FLOOR`
#: times the noise floor (10 dB above it).
_QUIET: Final = 0.003
_ABOVE_FLOOR: Final = 3.2
#: The level of the quietest of this many windows is the noise floor: 3 s.
_FLOOR_WINDOWS: Final = 150
#: Minimum seconds of a pause. Deepgram uses the words to tell a pause from the closure of a "p",
#: so it can end a phrase after 10 ms. Loudness alone cannot.
_SHORTEST_PAUSE_S: Final = 0.3
#: Seconds between two interim results of one segment (as recorded from the service).
_INTERIM_S: Final = 1.0
#: Seconds of speech after which a segment is final without a pause. The service uses about 5.
_LONGEST_S: Final = 6.0
_CUT_SEARCH_S: Final = 2.5
#: Seconds of silence after which a segment without text is final.
_EMPTY_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class SpeechStarted:
    """Speech began; the time is in seconds of the stream."""

    at_s: float


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of the stream, with the speech in it; times in seconds of the stream."""

    start_s: float
    end_s: float
    speech_start_s: float
    speech_end_s: float
    speech: Floats
    is_final: bool = False
    speech_final: bool = False
    from_finalize: bool = False


@dataclass(frozen=True, kw_only=True)
class UtteranceEnded:
    """A word was followed by `utterance_end_s` of silence; the time is in seconds of the stream."""

    last_word_end_s: float


Event: TypeAlias = SpeechStarted | Segment | UtteranceEnded


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """Times that end a segment."""

    #: Seconds of silence that end a phrase; None: a pause ends a segment, but not a phrase.
    endpointing_s: float | None
    #: Seconds of silence after which an utterance has ended; None: its end is not reported.
    utterance_end_s: float | None = None


class Segmenter:
    """Turns samples into events."""

    def __init__(self, options: SegmentOptions) -> None:
        self._options = options
        pause = max(options.endpointing_s or 0.0, _SHORTEST_PAUSE_S)
        self._pause = round(pause * RATE)
        self._rest = np.zeros(0, np.float32)
        # Samples of the stream since `_kept_from`. All positions count from the stream's start.
        self._kept: deque[Floats] = deque()
        self._kept_from = 0
        self._heard = 0
        self._start = 0
        # Positions of the open segment's speech: first kept sample, and first loud sample.
        self._speech_start: int | None = None
        self._onset = 0
        self._last_loud = 0
        self._speaking = False
        self._utterance_open = False
        # Initial level, so that immediate speech is not taken for the noise of the room.
        self._levels = deque([_QUIET / _ABOVE_FLOOR], maxlen=_FLOOR_WINDOWS)
        self._recent: deque[bool] = deque(maxlen=_ONSET[1])

    @property
    def heard_s(self) -> float:
        """Seconds of audio so far."""
        return (self._heard + len(self._rest)) / RATE

    def hear(self, samples: Floats) -> list[Event]:
        """Process 16 kHz mono samples; return the resulting events."""
        self._rest = np.concatenate([self._rest, samples])
        events: list[Event] = []
        while len(self._rest) >= _WINDOW:
            window, self._rest = self._rest[:_WINDOW], self._rest[_WINDOW:]
            events += self._hear_window(window)
        return events

    def finish(self, *, from_finalize: bool) -> list[Event]:
        """End the open segment now, even during speech; return no event if it has no audio."""
        if len(self._rest):
            self._keep(self._rest)
            self._rest = self._rest[:0]
        if self._heard == self._start:
            return []
        self._speaking = False
        self._recent.clear()
        return [self._final(self._heard, speech_final=True, from_finalize=from_finalize)]

    def _hear_window(self, window: Floats) -> list[Event]:
        self._keep(window)
        loud = self._is_loud(window)
        self._recent.append(loud)
        events = self._while_speaking(loud) if self._speaking else self._while_silent()
        if not events and (self._heard - self._start) % round(_INTERIM_S * RATE) == 0:
            events = [self._segment(self._heard)]
        return events

    def _while_speaking(self, loud: bool) -> list[Event]:
        assert self._speech_start is not None
        if loud:
            self._last_loud = self._heard
        if self._heard - self._last_loud >= self._pause:
            self._speaking = False
            self._recent.clear()
            return [self._final(self._heard, speech_final=self._options.endpointing_s is not None)]
        if self._heard - self._speech_start < _LONGEST_S * RATE:
            return []
        piece = self._between(self._speech_start, self._heard)
        cut = dsp.quietest_cut(piece, RATE, longest_s=_LONGEST_S, search_s=_CUT_SEARCH_S)
        final = self._final(self._speech_start + cut, speech_final=False)
        self._speech_start = self._onset = self._start
        return [final]

    def _while_silent(self) -> list[Event]:
        events: list[Event] = []
        silent = self._heard - self._last_loud
        utterance_end = self._options.utterance_end_s
        if self._utterance_open and utterance_end and silent >= utterance_end * RATE:
            self._utterance_open = False
            events.append(UtteranceEnded(last_word_end_s=self._last_loud / RATE))
        if self._recent and self._recent[-1] and sum(self._recent) >= _ONSET[0]:
            first_loud = self._recent.index(True)
            loud_from = self._heard - (len(self._recent) - first_loud) * _WINDOW
            self._onset = max(self._start, loud_from)
            self._speech_start = max(self._start, self._onset - _PADDING)
            self._last_loud = self._heard
            self._speaking = self._utterance_open = True
            events.append(SpeechStarted(at_s=self._onset / RATE))
        elif self._heard - self._start >= _EMPTY_S * RATE:
            events.append(self._final(self._heard, speech_final=True))
        else:
            self._forget(self._heard - _PADDING - _ONSET[1] * _WINDOW)
        return events

    def _is_loud(self, window: Floats) -> bool:
        level = float(np.sqrt(np.mean(np.square(window))))
        floor = min(self._levels)
        # Digital silence (a muted microphone) gives no information about the room.
        self._levels.append(level or floor)
        return level >= max(_QUIET, floor * _ABOVE_FLOOR)

    def _segment(self, end: int) -> Segment:
        # After a cut, the rest may be only the pause that ends the phrase.
        if self._speech_start is None or self._last_loud <= self._onset:
            return Segment(
                start_s=self._start / RATE,
                end_s=end / RATE,
                speech_start_s=end / RATE,
                speech_end_s=end / RATE,
                speech=np.zeros(0, np.float32),
            )
        return Segment(
            start_s=self._start / RATE,
            end_s=end / RATE,
            speech_start_s=self._onset / RATE,
            speech_end_s=min(end, self._last_loud) / RATE,
            speech=self._between(self._speech_start, end),
        )

    def _final(self, end: int, *, speech_final: bool, from_finalize: bool = False) -> Segment:
        open_segment = self._segment(end)
        self._start = end
        self._speech_start = None
        self._forget(end - _PADDING)
        return replace(
            open_segment, is_final=True, speech_final=speech_final, from_finalize=from_finalize
        )

    def _keep(self, samples: Floats) -> None:
        self._kept.append(samples)
        self._heard += len(samples)

    def _between(self, start: int, end: int) -> Floats:
        kept = np.concatenate(self._kept)
        return kept[start - self._kept_from : end - self._kept_from]

    def _forget(self, before: int) -> None:
        while self._kept and self._kept_from + len(self._kept[0]) <= before:
            self._kept_from += len(self._kept.popleft())
