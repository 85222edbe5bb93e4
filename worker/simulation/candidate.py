"""Base class of all simulated candidates, independent of the transport."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from livekit import rtc

from worker.audio.dsp import to_pcm
from worker.simulation.audio_analysis import SAMPLE_RATE, Timeline, TrackPlacer, write_wav
from worker.simulation.audio_recorder import AudioRecorder
from worker.simulation.captions import Captions
from worker.simulation.microphone import Microphone, Spoken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.audio.dsp import Floats, Pcm


class CandidateTimeout(Exception):
    """Raised when the candidate waits for an event that does not happen in time.

    Attributes:
        awaited: The awaited event, in a few words.
        timeout_s: The timeout, in seconds.
    """

    def __init__(self, awaited: str, timeout_s: float) -> None:
        super().__init__(f"timed out after {timeout_s:g} s waiting for {awaited}")
        self.awaited = awaited
        self.timeout_s = timeout_s


class SimulatedCandidate(ABC):
    """A candidate that speaks, listens and records, independent of the transport.

    Every other participant counts as an interviewer. All times are seconds since the candidate
    joined (`now_s`). A subclass sets `_joined_at`, opens and closes `_microphone`, passes received
    audio to the recorder `_ear`, and sends the frames of the microphone in `_send`.
    """

    def __init__(self) -> None:
        self._microphone = Microphone(self._deliver)
        self._joined_at = 0.0
        self._changed = asyncio.Event()
        self._ear = AudioRecorder(lambda: self.now_s, changed=self._changed.set)
        self._said = Timeline()
        self._said_placer = TrackPlacer()
        self._last_said_s = 0.0
        self.meter = self._ear.meter
        #: Level meter of each participant that was heard, by the participant's identity.
        self.meters = self._ear.meters
        self.captions = Captions(lambda: self.now_s, changed=self._changed.set)

    @property
    @abstractmethod
    def identity(self) -> str:
        """The candidate's identity, under which the captions of the candidate's speech arrive."""

    @property
    @abstractmethod
    def interviewers(self) -> tuple[str, ...]:
        """The identities of the interviewers with an audio path to the candidate."""

    @abstractmethod
    async def _send(self, samples: Pcm) -> None:
        """Send one frame of the microphone, 48 kHz mono, to the interviewers."""

    @property
    def now_s(self) -> float:
        """Seconds since the candidate joined."""
        return asyncio.get_running_loop().time() - self._joined_at

    @property
    def late_frames(self) -> int:
        """The number of microphone frames that were sent more than 0.1 s (`LATE_S`) late.

        Late frames mean that the machine was too busy. Errors in a transcript of the candidate may
        then be caused by the machine, and not by the interviewer.
        """
        return self._microphone.late_frames

    async def say(self, samples: Pcm | Floats, sample_rate: int) -> Spoken:
        """Speak mono samples in real time. Return the start and the end of the speech.

        The samples are 16-bit integers, or floats from -1 to 1. If the call is cancelled, the
        speech is cut off.

        Raises:
            RuntimeError: The candidate has no microphone, or left during the speech.
        """
        whole = samples.dtype == np.int16
        pcm = samples.astype(np.int16) if whole else to_pcm(samples.astype(np.float32))
        spoken = await self._microphone.say(resample(pcm, sample_rate))
        self._last_said_s = spoken.end_s - self._joined_at
        return Spoken(start_s=spoken.start_s - self._joined_at, end_s=self._last_said_s)

    async def wait_for_interviewer(self, *, timeout_s: float) -> str:
        """Wait until an interviewer has an audio path to the candidate, and return its identity.

        Raises:
            CandidateTimeout: No interviewer had an audio path in time.
        """
        await self._wait(
            lambda: bool(self.interviewers), "an interviewer with an audio track", timeout_s
        )
        return self.interviewers[0]

    async def wait_for_sound(self, *, since_s: float | None = None, timeout_s: float) -> float:
        """Wait for audible sound. Return the time at which the sound began.

        Args:
            since_s: Ignore sound before this time; by default, sound before the end of the
                candidate's last speech.

        Raises:
            CandidateTimeout: No sound was audible in time.
        """
        since = self._last_said_s if since_s is None else since_s
        await self._wait(
            lambda: self.meter.first_audible_s(since) is not None, "audible sound", timeout_s
        )
        first = self.meter.first_audible_s(since)
        return since if first is None else first

    async def wait_until_interviewer_paused(
        self, *, quiet_s: float, since_s: float | None = None, timeout_s: float
    ) -> float:
        """Wait for sound that is followed by `quiet_s` of silence. Return the end of the sound.

        Args:
            quiet_s: Minimum duration of the silence, in seconds.
            since_s: Ignore sound before this time, as in `wait_for_sound`.
            timeout_s: Timeout of the whole wait, in seconds.

        Raises:
            CandidateTimeout: No sound was audible, or no silence followed the sound in time.
        """
        give_up_s = self.now_s + timeout_s
        await self.wait_for_sound(since_s=since_s, timeout_s=timeout_s)
        while True:
            end_s = self.meter.last_audible_s or 0.0
            pause_due_s = end_s + quiet_s
            if self.now_s >= pause_due_s:
                return end_s
            if pause_due_s > give_up_s:
                raise CandidateTimeout("a pause of the interviewer", timeout_s)
            await asyncio.sleep(pause_due_s - self.now_s)

    async def wait_until_alone(self, *, timeout_s: float) -> None:
        """Wait until no interviewer has an audio path to the candidate.

        Raises:
            CandidateTimeout: An interviewer did not leave in time.
        """
        await self._wait(lambda: not self.interviewers, "the interviewer to leave", timeout_s)

    def save_recording(self, path: Path, *, own_voice: bool = False) -> None:
        """Write the received audio as a WAV file, 48 kHz mono, from joining until now.

        Args:
            own_voice: True to mix the candidate's own speech into the recording.

        Raises:
            OSError: The file cannot be written.
        """
        write_wav(path, self.recording(own_voice=own_voice))

    def recording(self, *, own_voice: bool = False) -> Pcm:
        """Return the audio received so far, at 48 kHz. For `own_voice` see `save_recording`."""
        duration_s = max(self._ear.heard.duration_s, self._said.duration_s)
        if not own_voice:
            return self._ear.heard.samples(duration_s=duration_s)
        mixed = Timeline()
        mixed.add(self._ear.heard.samples(), at=0)
        mixed.add(self._said.samples(), at=0)
        return mixed.samples(duration_s=duration_s)

    async def _wait(self, happened: Callable[[], bool], awaited: str, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not happened():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise CandidateTimeout(awaited, timeout_s) from None

    async def _deliver(self, samples: Pcm) -> None:
        self._said.add(samples, at=self._said_placer.place(len(samples), now_s=self.now_s))
        await self._send(samples)


def resample(samples: Pcm, sample_rate: int) -> Pcm:
    """Resample 16-bit mono samples to 48 kHz, the sample rate of the microphone."""
    if sample_rate == SAMPLE_RATE or samples.size == 0:
        return samples
    resampler = rtc.AudioResampler(sample_rate, SAMPLE_RATE, quality=rtc.AudioResamplerQuality.HIGH)
    frames = resampler.push(bytearray(samples.tobytes())) + resampler.flush()
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])
