"""A simulated candidate that joins a LiveKit room, speaks, listens and records."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from livekit import rtc

from worker.simulation.audio_analysis import SAMPLE_RATE
from worker.simulation.candidate import CandidateTimeout, SimulatedCandidate

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

__all__ = ["Candidate", "CandidateTimeout", "Presence"]

# Maximum milliseconds of audio that wait to be sent. The queue bridges one delay of the event loop.
# A longer queue would delay the audio more.
_SOURCE_QUEUE_MS = 200
_CHAT_TOPIC = "lk.chat"


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A record that another participant joined or left.

    `at_s` is the time in seconds since the candidate joined.
    """

    at_s: float
    identity: str
    event: Literal["joined", "left"]


class Candidate(SimulatedCandidate):
    """A LiveKit participant that behaves like a candidate with a headset.

    Every other participant counts as an interviewer. All times are seconds since the candidate
    joined (`now_s`). Use a Candidate as an async context manager.

    Args:
        url: The LiveKit server's URL.
        token: A token from `LiveKitClient.candidate_token`. The token contains the candidate's
            identity.
        microphone: True to publish a microphone track.
        listens: True to subscribe to the tracks of the other participants.
    """

    def __init__(
        self, url: str, token: str, *, microphone: bool = True, listens: bool = True
    ) -> None:
        super().__init__()
        self._url = url
        self._token = token
        self._publishes = microphone
        self._listens = listens
        self._room = rtc.Room()
        self._source: rtc.AudioSource | None = None
        self._published: rtc.LocalTrackPublication | None = None
        self.presence: list[Presence] = []
        self.disconnected = False

    @property
    def identity(self) -> str:
        """The candidate's identity, which is in the token."""
        return self._room.local_participant.identity

    @property
    def interviewers(self) -> tuple[str, ...]:
        """The identities of the participants to whose audio the candidate is subscribed."""
        return self._ear.voices

    async def join(self) -> None:
        """Join the room and publish the microphone.

        Raises:
            rtc.ConnectError: The server cannot be reached, or refused the token.
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
        """Leave the room. The recording and the captions stay available."""
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

    async def send_text(self, text: str) -> None:
        """Send a typed message to the interviewer (text stream `lk.chat`)."""
        await self._room.local_participant.send_text(text, topic=_CHAT_TOPIC)

    async def rtc_stats(self) -> rtc.RtcStats:
        """Return the WebRTC statistics of the outbound and inbound connections to the room.

        Raises:
            RuntimeError: The candidate is not in the room.
        """
        return await self._room.get_rtc_stats()

    async def wait_until_disconnected(self, *, timeout_s: float) -> None:
        """Wait until the server has removed the candidate or closed the room.

        Raises:
            CandidateTimeout: The candidate is still in the room when the timeout expires.
        """
        await self._wait(lambda: self.disconnected, "the room to end", timeout_s)

    async def wait_until_heard(self, *, timeout_s: float) -> None:
        """Wait until a participant subscribes to the microphone.

        No participant hears words that the candidate says before the subscription.

        Raises:
            CandidateTimeout: No participant subscribed in time, or no microphone is published.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if self._published is None:
                    raise TimeoutError
                await self._published.wait_for_subscription()
        except TimeoutError:
            raise CandidateTimeout("a listener", timeout_s) from None

    async def _publish_microphone(self) -> None:
        self._source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=_SOURCE_QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        # Interviewers use only tracks with this source, and ignore tracks with the default source.
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self._published = await self._room.local_participant.publish_track(track, options)
        self._microphone.open()

    async def _send(self, samples: Pcm) -> None:
        if self._source is None:
            raise RuntimeError("no microphone is published")
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
