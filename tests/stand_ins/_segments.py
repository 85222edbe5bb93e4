"""Cut a stream of speech into segments, as Deepgram does: no clock but the samples.

Segments tile the stream: each begins where the last final one ended. A segment is final when
the speaker pauses for as long as end-pointing asks, or when it has become long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from worker.speech import audio

if TYPE_CHECKING:
    from worker.speech.audio import Floats

RATE: Final = 16_000
_WINDOW: Final = RATE // 50
#: Windows of sound among the last ones that are speech: 0.12 s in 0.2 s, longer than a key click.
_ONSET: Final = (6, 10)
#: Samples kept from before the onset, since words begin softly.
_PADDING: Final = RATE * 3 // 10
#: Root mean square (0 to 1) below which nothing is sound, and times the noise floor above which
#: everything is (10 dB).
_QUIET: Final = 0.003
_ABOVE_FLOOR: Final = 3.2
#: Windows in which the quietest is taken for the noise floor: 3 s.
_FLOOR_WINDOWS: Final = 150
#: Seconds of a pause, at least. Deepgram tells a pause from the closure of a "p" by what is
#: said, so that it can end a phrase after 10 ms; loudness alone cannot.
_SHORTEST_PAUSE_S: Final = 0.3
#: Seconds between two interim results of one segment (as recorded from the service).
_INTERIM_S: Final = 1.0
#: Seconds of speech after which a segment is final without a pause. The service takes about 5.
_LONGEST_S: Final = 6.0
_CUT_SEARCH_S: Final = 2.5
#: Seconds of silence that make a final segment without any text.
_EMPTY_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class SpeechStarted:
    """Somebody began to speak; seconds of the stream."""

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
    """Nobody has spoken for `utterance_end_s` after a word; seconds of the stream."""

    last_word_end_s: float


Event: TypeAlias = SpeechStarted | Segment | UtteranceEnded


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """What ends a segment."""

    #: Seconds of silence that end a phrase; None: a pause ends a segment but no phrase.
    endpointing_s: float | None
    #: Seconds of silence after which an utterance has ended; None: never said.
    utterance_end_s: float | None = None


class Segmenter:
    """Samples in, events out."""

    def __init__(self, options: SegmentOptions) -> None:
        self._options = options
        pause = max(options.endpointing_s or 0.0, _SHORTEST_PAUSE_S)
        self._pause = round(pause * RATE)
        self._rest = np.zeros(0, np.float32)
        # Samples of the stream from `_kept_from` on; all positions count from its beginning.
        self._kept: deque[Floats] = deque()
        self._kept_from = 0
        self._heard = 0
        self._start = 0
        # Where the open segment's speech is kept from, and where it is first loud.
        self._speech_start: int | None = None
        self._onset = 0
        self._last_loud = 0
        self._speaking = False
        self._utterance_open = False
        # Whoever speaks at once is not taken for the noise of the room.
        self._levels = deque([_QUIET / _ABOVE_FLOOR], maxlen=_FLOOR_WINDOWS)
        self._recent: deque[bool] = deque(maxlen=_ONSET[1])

    @property
    def heard_s(self) -> float:
        """Seconds of audio so far."""
        return (self._heard + len(self._rest)) / RATE

    def hear(self, samples: Floats) -> list[Event]:
        """Take 16 kHz mono samples in."""
        self._rest = np.concatenate([self._rest, samples])
        events: list[Event] = []
        while len(self._rest) >= _WINDOW:
            window, self._rest = self._rest[:_WINDOW], self._rest[_WINDOW:]
            events += self._hear_window(window)
        return events

    def finish(self, *, from_finalize: bool) -> list[Event]:
        """End the open segment here, whatever is being said; none where nothing was heard."""
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
        cut = audio.quietest_cut(piece, RATE, longest_s=_LONGEST_S, search_s=_CUT_SEARCH_S)
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
        # Digital silence (a muted microphone) says nothing about the room.
        self._levels.append(level or floor)
        return level >= max(_QUIET, floor * _ABOVE_FLOOR)

    def _segment(self, end: int) -> Segment:
        # After a cut there may be nothing but the pause that ends the phrase.
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
