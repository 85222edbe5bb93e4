"""Analyses the audio that a participant receives: its level over time, and a recording.

All times are seconds since the participant joined.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worker.audio.dsp import to_float

if TYPE_CHECKING:
    from pathlib import Path

    from worker.audio.dsp import Pcm

#: Sample rate of recordings in hertz. LiveKit decodes Opus to this rate.
SAMPLE_RATE = 48_000
#: Minimum root mean square of a 10 ms frame that counts as audible: -44 dB of full scale. Speech is
#: 20 dB louder. Silence that was encoded with Opus is at least 20 dB quieter.
AUDIBLE_RMS = 0.006
#: Longest silence inside one audible span, in seconds. Gaps of up to this length occur inside
#: words.
_SAME_SPAN_S = 0.3


@dataclass(frozen=True, kw_only=True)
class AudibleSpan:
    """A time span with sound, from the start of its first to the end of its last audible frame."""

    start_s: float
    end_s: float


class LevelMeter:
    """Detects sound by its level, frame by frame, and stores the audible spans.

    Args:
        audible_rms: A frame with at least this root mean square (1 is full scale) is audible.
    """

    def __init__(self, *, audible_rms: float = AUDIBLE_RMS) -> None:
        self._audible_rms = audible_rms
        self._spans: list[AudibleSpan] = []

    def feed(self, samples: Pcm, *, start_s: float, end_s: float) -> bool:
        """Process the frame from `start_s` to `end_s`. Return True if the frame is audible."""
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
        """The audible spans so far, in order. A gap of up to `_SAME_SPAN_S` does not end a span."""
        return tuple(self._spans)

    @property
    def last_audible_s(self) -> float | None:
        """The end of the last audible frame; None if no frame was audible so far."""
        return self._spans[-1].end_s if self._spans else None

    def first_audible_s(self, since_s: float = 0.0) -> float | None:
        """Return the time of the first sound at or after `since_s`; None if all was silent."""
        for span in self._spans:
            if span.end_s > since_s:
                return max(span.start_s, since_s)
        return None

    def audible_seconds(self, since_s: float = 0.0) -> float:
        """Return how many seconds after `since_s` were audible."""
        return sum(max(0.0, span.end_s - max(span.start_s, since_s)) for span in self._spans)


class Timeline:
    """A mono recording at 48 kHz, mixed from pieces of audio that have a position in time."""

    def __init__(self) -> None:
        # 32 bits per sample, because simultaneous voices are added. `samples` clips to 16 bits.
        self._mix = np.zeros(10 * SAMPLE_RATE, np.int32)
        self._length = 0

    @property
    def duration_s(self) -> float:
        """The duration of the recording: the end of the last piece, in seconds."""
        return self._length / SAMPLE_RATE

    def add(self, samples: Pcm, *, at: int) -> None:
        """Mix `samples` into the recording, beginning at position `at`, counted in samples."""
        end = at + len(samples)
        if end > len(self._mix):
            grown = np.zeros(max(end, 2 * len(self._mix)), np.int32)
            grown[: self._length] = self._mix[: self._length]
            self._mix = grown
        self._mix[at:end] += samples
        self._length = max(self._length, end)

    def samples(self, *, duration_s: float | None = None) -> Pcm:
        """Return the recording as 16-bit samples.

        With `duration_s`, the recording is cut off, or padded with silence, to this duration.
        """
        wanted = self._length if duration_s is None else round(duration_s * SAMPLE_RATE)
        mixed = self._mix[: min(wanted, self._length)]
        pcm: Pcm = np.zeros(wanted, np.int16)
        pcm[: len(mixed)] = np.clip(mixed, -32_768, 32_767)
        return pcm


class TrackPlacer:
    """Computes the position of each frame of one audio track in a `Timeline`.

    A subscribed track delivers frames without gaps, and silent frames while no audio is received.
    Each frame is therefore placed directly after the previous frame, beginning at the arrival time
    of the first frame. If the event loop was blocked, many frames arrive at once; their arrival
    times must not cause gaps in the recording.

    The arrival time of a frame shows the frame's correct position only if the reader had to wait
    for the frame. The position is corrected once `_JUDGED_FRAMES` frames that the reader had to
    wait for were all more than `_OFF_S` seconds later than computed (frames were lost), or all more
    than `_OFF_S` seconds earlier than computed (the first frames were late).
    """

    _WAITED_S = (0.004, 0.1)
    _JUDGED_FRAMES = 5
    _OFF_S = 0.1

    def __init__(self) -> None:
        self._next: int | None = None
        self._arrived_s = float("-inf")
        self._lags_s: list[float] = []

    def place(self, count: int, *, now_s: float) -> int:
        """Return the position in the track, in samples, of `count` samples arriving at `now_s`."""
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
