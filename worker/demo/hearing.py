"""What a participant hears: how loud it is, moment by moment, and a recording of it.

Times are seconds on one clock that starts at 0 when the participant joins.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worker.speech.audio import to_float

if TYPE_CHECKING:
    from pathlib import Path

    from worker.speech.audio import Pcm

#: The rate of recordings, in samples per second: what LiveKit's Opus decodes to.
SAMPLE_RATE = 48_000
#: Root mean square from which a 10 ms frame counts as audible: -44 dB of full scale. Speech
#: lies 20 dB above it; what Opus makes of silence, 20 dB and more below.
AUDIBLE_RMS = 0.006
#: Silence between two sounds, in seconds, up to which they are one span: the gaps inside words.
_SAME_SPAN_S = 0.3


@dataclass(frozen=True, kw_only=True)
class AudibleSpan:
    """A stretch of sound, from the start of its first audible frame to the end of its last."""

    start_s: float
    end_s: float


class LevelMeter:
    """Tells sound from silence by level, frame by frame, and remembers when there was sound.

    Args:
        audible_rms: The level, of full scale (0 to 1), from which a frame is audible.
    """

    def __init__(self, *, audible_rms: float = AUDIBLE_RMS) -> None:
        self._audible_rms = audible_rms
        self._spans: list[AudibleSpan] = []

    def feed(self, samples: Pcm, *, start_s: float, end_s: float) -> bool:
        """Take one frame, heard from `start_s` to `end_s`; return whether it was audible."""
        if samples.size == 0:
            return False
        rms = float(np.sqrt(np.mean(np.square(to_float(samples), dtype=np.float64))))
        if rms < self._audible_rms:
            return False
        last = self._spans[-1] if self._spans else None
        if last is not None and start_s - last.end_s <= _SAME_SPAN_S:
            joined = AudibleSpan(start_s=last.start_s, end_s=max(last.end_s, end_s))
            self._spans[-1] = joined
        else:
            self._spans.append(AudibleSpan(start_s=start_s, end_s=end_s))
        return True

    @property
    def spans(self) -> tuple[AudibleSpan, ...]:
        """Everything audible so far, in order; gaps of up to 0.3 s are bridged."""
        return tuple(self._spans)

    @property
    def last_audible_s(self) -> float | None:
        """When the last audible frame ended; None when nothing has been audible."""
        return self._spans[-1].end_s if self._spans else None

    def first_audible_s(self, since_s: float = 0.0) -> float | None:
        """When sound was first there at or after `since_s`; None when there was none."""
        for span in self._spans:
            if span.end_s > since_s:
                return max(span.start_s, since_s)
        return None

    def audible_seconds(self, since_s: float = 0.0) -> float:
        """How long there was sound after `since_s`, in seconds."""
        return sum(max(0.0, span.end_s - max(span.start_s, since_s)) for span in self._spans)


class Timeline:
    """Mono audio at 48 kHz, put together from pieces that are placed by time; gaps are silent."""

    def __init__(self) -> None:
        # Wider than a sample: two voices at once add up, and are clipped only at the end.
        self._mix = np.zeros(10 * SAMPLE_RATE, np.int32)
        self._length = 0

    @property
    def duration_s(self) -> float:
        """From 0 to the end of the last piece, in seconds."""
        return self._length / SAMPLE_RATE

    def add(self, samples: Pcm, *, at: int) -> None:
        """Mix `samples` in, the first of them `at` so many samples after time 0."""
        end = at + len(samples)
        if end > len(self._mix):
            grown = np.zeros(max(end, 2 * len(self._mix)), np.int32)
            grown[: self._length] = self._mix[: self._length]
            self._mix = grown
        self._mix[at:end] += samples
        self._length = max(self._length, end)

    def samples(self, *, duration_s: float | None = None) -> Pcm:
        """All of it, or exactly `duration_s` seconds of it, cut off or followed by silence."""
        wanted = self._length if duration_s is None else round(duration_s * SAMPLE_RATE)
        mixed = self._mix[: min(wanted, self._length)]
        pcm: Pcm = np.zeros(wanted, np.int16)
        pcm[: len(mixed)] = np.clip(mixed, -32_768, 32_767)
        return pcm


class TrackPlacer:
    """Where on the timeline one track's frames belong.

    A subscribed track delivers frames without gaps, silent ones while nothing is received, so
    they follow each other from the arrival of the first: a late event loop delivers them in a
    burst, which must not tear the recording. Only a frame that had to be waited for arrives as
    it is heard and tells the time. When several of these in a row say that the recording is
    late, frames were lost; when they say that it is early, the first ones were late.
    """

    _WAITED_S = (0.004, 0.1)
    _JUDGED_FRAMES = 5
    _OFF_S = 0.1

    def __init__(self) -> None:
        self._next: int | None = None
        self._arrived_s = float("-inf")
        self._lags_s: list[float] = []

    def place(self, count: int, *, now_s: float) -> int:
        """The first sample's place of a frame of `count` samples that arrives at `now_s`."""
        on_time = max(0, round(now_s * SAMPLE_RATE) - count)
        if self._next is None:
            self._next = on_time
        shortest_s, longest_s = self._WAITED_S
        waited_s = now_s - self._arrived_s
        self._arrived_s = now_s
        if shortest_s <= waited_s <= longest_s:
            self._lags_s.append((on_time - self._next) / SAMPLE_RATE)
        if len(self._lags_s) == self._JUDGED_FRAMES:
            if min(self._lags_s) > self._OFF_S or max(self._lags_s) < -self._OFF_S:
                self._next = on_time
            self._lags_s.clear()
        place = self._next
        self._next += count
        return place


def write_wav(path: Path, samples: Pcm, *, sample_rate: int = SAMPLE_RATE) -> None:
    """Write 16-bit mono samples as a WAV file.

    Raises:
        OSError: The file cannot be written.
    """
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.astype("<i2").tobytes())
