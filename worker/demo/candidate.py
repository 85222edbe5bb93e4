"""A candidate as a program: joins a room, speaks, listens, and records what it hears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from livekit import rtc

from worker.demo.captions import Captions
from worker.demo.ear import Ear
from worker.demo.hearing import SAMPLE_RATE, Timeline, TrackPlacer, write_wav
from worker.demo.microphone import Microphone, Spoken
from worker.speech.audio import to_pcm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.speech.audio import Floats, Pcm

# Room for one hiccup of the event loop, and no more: what is queued is heard late.
_SOURCE_QUEUE_MS = 200
_CHAT_TOPIC = "lk.chat"


class CandidateTimeout(Exception):
    """Something that the candidate waited for did not happen.

    Attributes:
        awaited: What it was, in a few words.
        timeout_s: How long it waited, in seconds.
    """

    def __init__(self, awaited: str, timeout_s: float) -> None:
        super().__init__(f"{awaited}: not within {timeout_s:g} s")
        self.awaited = awaited
        self.timeout_s = timeout_s


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Somebody else came into the room or left it, `at_s` seconds after the candidate joined."""

    at_s: float
    identity: str
    event: Literal["joined", "left"]


class Candidate:
    """One participant of a LiveKit room who behaves as a candidate with a headset does.

    Everybody else in the room counts as the interviewer. All times are seconds since the
    candidate joined (`now_s`). Use it as an async context manager.

    Args:
        url: The LiveKit server's URL.
        token: As `rooms.candidate_token` signs it; the identity is inside.
        microphone: Whether a microphone is published.
        listens: Whether the candidate subscribes to what others publish.
    """

    def __init__(
        self, url: str, token: str, *, microphone: bool = True, listens: bool = True
    ) -> None:
        self._url = url
        self._token = token
        self._publishes = microphone
        self._listens = listens
        self._room = rtc.Room()
        self._source: rtc.AudioSource | None = None
        self._microphone = Microphone(self._deliver)
        self._joined_at = 0.0
        self._changed = asyncio.Event()
        self._ear = Ear(lambda: self.now_s, changed=self._changed.set)
        self._said = Timeline()
        self._said_placer = TrackPlacer()
        self._last_said_s = 0.0
        self.meter = self._ear.meter
        self.captions = Captions(lambda: self.now_s, changed=self._changed.set)
        self.presence: list[Presence] = []
        self.disconnected = False

    @property
    def now_s(self) -> float:
        """Seconds since the candidate joined."""
        return asyncio.get_running_loop().time() - self._joined_at

    @property
    def identity(self) -> str:
        """The candidate's identity, from its token."""
        return self._room.local_participant.identity

    @property
    def interviewers(self) -> tuple[str, ...]:
        """Who can be heard now: the identities whose audio the candidate is subscribed to."""
        return self._ear.voices

    @property
    def late_frames(self) -> int:
        """Microphone frames that went out more than 0.1 s late.

        Above 0 this machine was too busy, and what was understood of the candidate says
        nothing about the interviewer.
        """
        return self._microphone.late_frames

    async def join(self) -> None:
        """Join the room and publish the microphone.

        Raises:
            rtc.ConnectError: The server is away, or refused the token.
        """
        self._room.on("participant_connected", lambda who: self._on_presence(who, "joined"))
        self._room.on("participant_disconnected", lambda who: self._on_presence(who, "left"))
        self._room.on("disconnected", self._on_disconnected)
        self._ear.attach(self._room)
        self.captions.attach(self._room)
        self._joined_at = asyncio.get_running_loop().time()
        await self._room.connect(
            self._url, self._token, rtc.RoomOptions(auto_subscribe=self._listens)
        )
        for participant in self._room.remote_participants.values():
            self._on_presence(participant, "joined")
        if self._publishes:
            await self._publish_microphone()

    async def leave(self) -> None:
        """Leave the room; what was heard and said stays available."""
        await self._microphone.close()
        await self._ear.aclose()
        await self.captions.aclose()
        await self._room.disconnect()
        if self._source is not None:
            await self._source.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.join()
        except BaseException:
            await self.leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def say(self, samples: Pcm | Floats, sample_rate: int) -> Spoken:
        """Speak mono samples in real time, 16-bit or floats in [-1, 1]; return when.

        Cancelling it cuts the speech off.

        Raises:
            RuntimeError: The candidate has no microphone, or left meanwhile.
        """
        whole = samples.dtype == np.int16
        pcm = samples.astype(np.int16) if whole else to_pcm(samples.astype(np.float32))
        spoken = await self._microphone.say(resample(pcm, sample_rate))
        self._last_said_s = spoken.end_s - self._joined_at
        return Spoken(start_s=spoken.start_s - self._joined_at, end_s=self._last_said_s)

    async def send_text(self, text: str) -> None:
        """Type a message to the interviewer (the text stream `lk.chat`)."""
        await self._room.local_participant.send_text(text, topic=_CHAT_TOPIC)

    async def wait_for_interviewer(self, *, timeout_s: float) -> str:
        """Wait until somebody can be heard, audible or not; return their identity.

        Raises:
            CandidateTimeout: Nobody came with a microphone.
        """
        await self._wait(lambda: bool(self._ear.voices), "an interviewer with a voice", timeout_s)
        return self._ear.voices[0]

    async def wait_for_sound(self, *, since_s: float | None = None, timeout_s: float) -> float:
        """Wait until there is something to hear; return when it began.

        Args:
            since_s: What was heard before does not count; by default, before the candidate's
                own last words.

        Raises:
            CandidateTimeout: All was silent.
        """
        since = self._last_said_s if since_s is None else since_s
        await self._wait(
            lambda: self.meter.first_audible_s(since) is not None, "something to hear", timeout_s
        )
        first = self.meter.first_audible_s(since)
        return since if first is None else first

    async def wait_until_interviewer_paused(
        self, *, quiet_s: float, since_s: float | None = None, timeout_s: float
    ) -> float:
        """Wait until something was heard and then nothing for `quiet_s`; return its end.

        Args:
            quiet_s: The silence that counts as a pause, in seconds.
            since_s: As for `wait_for_sound`.
            timeout_s: For all of it, in seconds.

        Raises:
            CandidateTimeout: All was silent, or the sound never paused.
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
        """Wait until nobody else can be heard.

        Raises:
            CandidateTimeout: Somebody stayed.
        """
        await self._wait(lambda: not self._ear.voices, "the interviewer's leaving", timeout_s)

    async def wait_until_disconnected(self, *, timeout_s: float) -> None:
        """Wait until the server has sent the candidate out, or its room was closed.

        Raises:
            CandidateTimeout: The candidate is still in the room.
        """
        await self._wait(lambda: self.disconnected, "the end of the room", timeout_s)

    def save_recording(self, path: Path, *, own_voice: bool = False) -> None:
        """Write what was heard as a WAV file, 48 kHz mono, from joining until now.

        Args:
            own_voice: Whether the candidate's own words are mixed in.

        Raises:
            OSError: The file cannot be written.
        """
        write_wav(path, self.recording(own_voice=own_voice))

    def recording(self, *, own_voice: bool = False) -> Pcm:
        """What was heard so far, as 48 kHz samples; see `save_recording`."""
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

    async def _publish_microphone(self) -> None:
        self._source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=_SOURCE_QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        # Interviewers hear tracks of this source only; the default source is ignored silently.
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, options)
        self._microphone.open()

    async def _deliver(self, samples: Pcm) -> None:
        if self._source is None:
            raise RuntimeError("no microphone is published")
        self._said.add(samples, at=self._said_placer.place(len(samples), now_s=self.now_s))
        await self._source.capture_frame(
            rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE, 1, len(samples))
        )

    def _on_presence(
        self, participant: rtc.RemoteParticipant, event: Literal["joined", "left"]
    ) -> None:
        self.presence.append(Presence(at_s=self.now_s, identity=participant.identity, event=event))
        self._changed.set()

    def _on_disconnected(self, _: object) -> None:
        self.disconnected = True
        self._changed.set()


def resample(samples: Pcm, sample_rate: int) -> Pcm:
    """Bring 16-bit mono samples to the microphone's 48 kHz."""
    if sample_rate == SAMPLE_RATE or samples.size == 0:
        return samples
    resampler = rtc.AudioResampler(sample_rate, SAMPLE_RATE, quality=rtc.AudioResamplerQuality.HIGH)
    frames = resampler.push(bytearray(samples.tobytes())) + resampler.flush()
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])
