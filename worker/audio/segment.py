"""One segment of output audio: the audio still to be played, and the seconds already played."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from livekit import rtc

from worker.audio.frames import frame_of, samples_of
from worker.audio.segment_state import (
    COMPLETE,
    PLAYBACK,
    SYNTHESIS,
    Playback,
    SegmentEvent,
    Synthesis,
)
from worker.audio.sinks import LONG_QUEUE_S

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

_BYTES_PER_SAMPLE: Final = 2


@dataclass(frozen=True, kw_only=True)
class Playout:
    """Played and total duration of an utterance, in seconds."""

    played_s: float
    #: Duration in seconds of the whole utterance; None if the utterance was cut off before its end
    #: was synthesised.
    made_s: float | None


class Segment:
    """A unit of playback: one utterance of the session, or one clip."""

    def __init__(self, *, sample_rate: int, speech: bool, text: str = "") -> None:
        self.speech = speech
        #: The words of a clip; empty for an utterance of the session.
        self.text = text
        self.synthesis = Synthesis.OPEN
        self.playback = Playback.QUEUED
        #: Seconds of the segment that were played. The value is exact once the segment is over.
        self.played_s = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pushed_s = 0.0
        self._captured_s = 0.0
        self._bytes_per_s = sample_rate * _BYTES_PER_SAMPLE
        self._sample_rate = sample_rate
        self._resampler: rtc.AudioResampler | None = None
        self._waiting = bytearray()
        # The newest audio that was pushed, as much as a sink can hold. `take_back` needs this
        # audio.
        self._pushed = bytearray()

    @property
    def started(self) -> bool:
        """True from the push of the segment's first audio to the sink until the segment is over."""
        return self.playback is Playback.PLAYING

    @property
    def complete(self) -> bool:
        """True once no more audio will be added to the segment."""
        return self.synthesis in COMPLETE

    @property
    def over(self) -> bool:
        """True once the segment was played out or cut off, so that no more of its audio is sent."""
        return self.playback is Playback.OVER

    def _enter(self, event: SegmentEvent) -> None:
        self.synthesis = SYNTHESIS.get((self.synthesis, event), self.synthesis)
        self.playback = PLAYBACK.get((self.playback, event), self.playback)

    def add(self, frame: rtc.AudioFrame) -> None:
        """Append audio of any sample rate and number of channels."""
        if frame.num_channels > 1:
            frame = frame_of(samples_of(frame), frame.sample_rate)
        if self._resampler is None and frame.sample_rate != self._sample_rate:
            self._resampler = rtc.AudioResampler(frame.sample_rate, self._sample_rate)
        for part in self._resampler.push(frame) if self._resampler else [frame]:
            self._append(part)

    def end(self) -> None:
        """Mark the segment as complete.

        For an utterance that is cut off during synthesis, `end` and then `close` are called in the
        same event loop iteration. Therefore the segment becomes `Synthesis.WHOLE` only in the next
        iteration, unless `close` was called before.
        """
        self._enter(SegmentEvent.ENDED)
        for part in self._resampler.flush() if self._resampler else []:
            self._append(part)
        asyncio.get_running_loop().call_soon(self._enter, SegmentEvent.SETTLED)

    def _append(self, part: rtc.AudioFrame) -> None:
        self._waiting += part.data
        self._captured_s += part.duration

    @property
    def has_audio(self) -> bool:
        """True if there is audio that was not pushed yet."""
        return bool(self._waiting)

    def take(self, seconds: float) -> rtc.AudioFrame:
        """Remove and return the next `seconds` of audio for the sink, or all that is left."""
        size = round(seconds * self._sample_rate) * _BYTES_PER_SAMPLE
        self._enter(SegmentEvent.PUSHED)
        chunk = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._pushed += chunk
        del self._pushed[: -round(LONG_QUEUE_S * self._sample_rate) * _BYTES_PER_SAMPLE]
        self.pushed_s += len(chunk) / self._bytes_per_s
        return rtc.AudioFrame(chunk, self._sample_rate, 1, len(chunk) // _BYTES_PER_SAMPLE)

    def take_back(self, seconds: float) -> None:
        """Take back the last `seconds` of the pushed audio, which were not played."""
        size = min(round(seconds * self._sample_rate) * _BYTES_PER_SAMPLE, len(self._pushed))
        if size:
            self._waiting[:0] = self._pushed[-size:]
            del self._pushed[-size:]
            self.pushed_s -= size / self._bytes_per_s

    def ahead(self, queued_s: float) -> Pcm:
        """Return the audio not heard yet: the last `queued_s` pushed seconds and unpushed audio."""
        size = min(round(queued_s * self._sample_rate) * _BYTES_PER_SAMPLE, len(self._pushed))
        pushed = self._pushed[len(self._pushed) - size :]
        return np.frombuffer(bytes(pushed + self._waiting), np.int16)

    @property
    def playout(self) -> Playout:
        """Played and total duration, valid once the segment is over."""
        whole = self.synthesis is Synthesis.WHOLE
        return Playout(played_s=self.played_s, made_s=self._captured_s if whole else None)

    def close(self, played_s: float) -> None:
        """End the segment after `played_s` seconds, and resolve `finished`."""
        self._enter(SegmentEvent.CLOSED)
        self.played_s = played_s
        self._waiting.clear()
        if not self.finished.done():
            self.finished.set_result(None)
