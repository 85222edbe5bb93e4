"""A candidate as a program: joins a room, speaks, listens, and records what it hears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from livekit import rtc

from worker.demo.captions import Captions
from worker.demo.hearing import (
    SAMPLE_RATE,
    LevelMeter,
    Timeline,
    TrackPlacer,
    write_wav,
)
from worker.demo.microphone import Microphone, Spoken
from worker.speech.audio import to_pcm

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from worker.speech.audio import Floats, Pcm

# Room for one hiccup of the event loop, and no more: what is queued is heard late.
_SOURCE_QUEUE_MS = 200
_CHAT_TOPIC = "lk.chat"


class CandidateTimeout(Exception):  # noqa: N818 (says what is the case)
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
        self._listeners: dict[str, asyncio.Task[None]] = {}
        self._speakers: dict[str, str] = {}
        self._heard = Timeline()
        self._said = Timeline()
        self._last_said_s = 0.0
        self.meter = LevelMeter()
        self.captions = Captions(lambda: self.now_s)
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
    def interviewers(self) -> frozenset[str]:
        """Who can be heard now: the identities whose audio the candidate is subscribed to."""
        return frozenset(self._speakers.values())

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
        on: dict[str, Callable[..., None]] = {
            "track_subscribed": self._on_track_subscribed,
            "track_unsubscribed": self._on_track_unsubscribed,
            "participant_connected": lambda who: self._on_presence(who, "joined"),
            "participant_disconnected": lambda who: self._on_presence(who, "left"),
            "disconnected": self._on_disconnected,
        }
        for event, handler in on.items():
            self._room.on(event, handler)  # type: ignore[arg-type]  # its events are a Literal
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
        for sid in list(self._listeners):
            self._stop_listening(sid)
        await self.captions.aclose()
        await self._room.disconnect()
        if self._source is not None:
            await self._source.aclose()
