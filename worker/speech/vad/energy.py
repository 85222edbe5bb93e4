"""Voice activity detection by loudness alone: the fallback if no VAD model could be loaded.

The detector uses no model and no native code, so a problem that makes Silero fail does not make
this detector fail. The detector is less exact than Silero, because it distinguishes loud from quiet
but not speech from music.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from livekit import rtc
from livekit.agents import vad

from worker.audio.frames import frame_of, samples_of

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

_WINDOW_S: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """Options of the energy gate, which is open while audio counts as speech.

    Minimum silence and prefix padding have Silero's defaults.
    """

    #: Seconds of sound, within the newest `onset_window_s` seconds, after which speech counts as
    #: begun. A key click is shorter.
    min_speech_s: float = 0.12
    #: Length in seconds of the newest audio in which `min_speech_s` of sound means speech.
    onset_window_s: float = 0.2
    #: Seconds of quiet after which speech counts as ended.
    min_silence_s: float = 0.55
    #: Seconds of audio before the first sound that speech includes, because words begin softly.
    prefix_padding_s: float = 0.5
    #: Decibels above the noise floor at which a window of 20 ms (`_WINDOW_S`) counts as sound.
    margin_db: float = 10.0
    #: Level in dB full scale below which no window counts as sound, however quiet the room is.
    min_level_db: float = -50.0
    #: Seconds of audio whose quietest window gives the noise floor. Speech has a pause within this
    #: time, and the noise of a fan has none. Therefore the noise of a fan that is switched on
    #: counts as speech for at most `floor_memory_s`.
    floor_memory_s: float = 3.0


class EnergyVAD(vad.VAD):
    """A LiveKit VAD that tracks the noise floor, and reports louder sound as speech."""

    def __init__(self, options: GateOptions | None = None) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=_WINDOW_S))
        self._options = options or GateOptions()

    @property
    def model(self) -> str:
        return "energy-gate"

    @property
    def provider(self) -> str:
        return "local"

    @property
    def min_silence_duration(self) -> float:
        """Seconds of quiet after which speech counts as ended."""
        return self._options.min_silence_s

    def stream(self) -> vad.VADStream:
        """Open a stream for one speaker. All frames must be mono, with the same sample rate."""
        return EnergyVADStream(self, self._options)


class EnergyVADStream(vad.VADStream):
    """VAD events for one speaker's audio."""

    def __init__(self, owner: EnergyVAD, options: GateOptions) -> None:
        self._options = options
        super().__init__(owner)

    async def _main_task(self) -> None:
        gate: _Gate | None = None
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                gate = None
                continue
            if gate is None:
                gate = _Gate(self._options, item.sample_rate)
            for event in gate.hear(samples_of(item)):
                self._event_ch.send_nowait(event)


class _Gate:
    """The energy gate: turns samples into VAD events, and measures time by counting samples."""

    def __init__(self, options: GateOptions, sample_rate: int) -> None:
        self._options = options
        self._rate = sample_rate
        self._window = round(_WINDOW_S * sample_rate)
        self._rest: Pcm = np.zeros(0, np.int16)
        self._heard = 0
        # `_levels`: levels of the past windows in dB full scale. `_recent`: whether each of the
        # newest windows was loud.
        floor = options.min_level_db - options.margin_db
        self._levels = deque([floor], maxlen=round(options.floor_memory_s / _WINDOW_S))
        self._recent: deque[bool] = deque(maxlen=round(options.onset_window_s / _WINDOW_S))
        padding = round((options.prefix_padding_s + options.onset_window_s) / _WINDOW_S)
        self._prefix: deque[Pcm] = deque(maxlen=padding)
        self._speech: list[Pcm] | None = None
        self._speech_s = 0.0
        self._silence_s = 0.0

    def hear(self, samples: Pcm) -> list[vad.VADEvent]:
        """Process samples, and return the events of each window that is now complete."""
        self._rest = np.concatenate([self._rest, samples])
        events: list[vad.VADEvent] = []
        while len(self._rest) >= self._window:
            window, self._rest = self._rest[: self._window], self._rest[self._window :]
            self._heard += self._window
            events += self._hear_window(window)
        return events

    def _hear_window(self, window: Pcm) -> list[vad.VADEvent]:
        loud = self._is_loud(window)
        self._recent.append(loud)
        if self._speech is None:
            self._prefix.append(window)
            change = self._open_on_speech()
        else:
            self._speech.append(window)
            self._speech_s += _WINDOW_S
            self._silence_s = 0.0 if loud else self._silence_s + _WINDOW_S
            change = self._close_on_silence()
        done = self._event(vad.VADEventType.INFERENCE_DONE, [window], probability=float(loud))
        return [done, change] if change else [done]

    def _is_loud(self, window: Pcm) -> bool:
        power = float(np.mean(np.square(window.astype(np.float64)))) / 32768.0**2
        level = 10 * np.log10(power + 1e-10)
        floor = min(self._levels)
        # Ignore digital silence (a muted microphone, a lost packet), which says nothing about the
        # noise in the room.
        self._levels.append(level if power > 0 else floor)
        threshold = max(floor + self._options.margin_db, self._options.min_level_db)
        return bool(level >= threshold)

    def _open_on_speech(self) -> vad.VADEvent | None:
        loud_s = sum(self._recent) * _WINDOW_S
        if not self._recent[-1] or loud_s < self._options.min_speech_s - 1e-9:
            return None
        self._speech = list(self._prefix)
        self._prefix.clear()
        self._speech_s, self._silence_s = loud_s, 0.0
        return self._event(vad.VADEventType.START_OF_SPEECH, self._speech)

    def _close_on_silence(self) -> vad.VADEvent | None:
        if self._speech is None or self._silence_s < self._options.min_silence_s - 1e-9:
            return None
        speech, self._speech = self._speech, None
        self._speech_s = max(0.0, self._speech_s - self._silence_s)
        event = self._event(vad.VADEventType.END_OF_SPEECH, speech)
        self._prefix.extend(speech[-(self._prefix.maxlen or 0) :])
        self._recent.clear()
        self._speech_s = 0.0
        return event

    def _event(
        self, kind: vad.VADEventType, windows: list[Pcm], probability: float = 0.0
    ) -> vad.VADEvent:
        samples = np.concatenate(windows)
        return vad.VADEvent(
            type=kind,
            samples_index=self._heard,
            timestamp=self._heard / self._rate,
            speech_duration=self._speech_s,
            silence_duration=self._silence_s,
            frames=[frame_of(samples, self._rate)],
            probability=probability,
            speaking=self._speech is not None,
        )
