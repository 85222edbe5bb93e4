"""The audio recorder of a participant: measures and records all audio that is received."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from livekit import rtc

from worker.simulation.audio_analysis import SAMPLE_RATE, LevelMeter, Timeline, TrackPlacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.audio.dsp import Pcm


class AudioRecorder:
    """Records all audio that is published in the attached room, or passed to `hear`.

    Args:
        now_s: Returns the seconds since the participant joined.
        changed: Called when an audio track is subscribed or unsubscribed, and at every audible
            frame.
    """

    def __init__(self, now_s: Callable[[], float], *, changed: Callable[[], None]) -> None:
        self._now_s = now_s
        self._changed = changed
        self._listeners: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._voices: dict[str, str] = {}
        self._closed = False
        # References to all tracks. Closing the room frees the native objects of its tracks. If
        # Python frees a track before or while the room is closed, the SDK logs an error or raises
        # in __del__.
        self._kept: list[rtc.RemoteTrack] = []
        self.meter = LevelMeter()
        #: Level meter of each participant that was heard, by the participant's identity.
        self.meters: dict[str, LevelMeter] = {}
        self.heard = Timeline()

    @property
    def voices(self) -> tuple[str, ...]:
        """The identities of the participants whose audio is subscribed, in subscription order."""
        return tuple(dict.fromkeys(self._voices.values()))

    def attach(self, room: rtc.Room) -> None:
        """Record the audio of `room`. Call this method before the room connects."""
        room.on("track_subscribed", self._on_subscribed)
        room.on("track_unsubscribed", self._on_unsubscribed)

    def hear(self, samples: Pcm, placer: TrackPlacer, *, until_s: float, identity: str) -> None:
        """Record samples of one participant, at 48 kHz, whose last sample ends at `until_s`."""
        self.heard.add(samples, at=placer.place(len(samples), now_s=until_s))
        began_s = until_s - len(samples) / SAMPLE_RATE
        meter = self.meters.setdefault(identity, LevelMeter())
        meter.feed(samples, start_s=began_s, end_s=until_s)
        if self.meter.feed(samples, start_s=began_s, end_s=until_s):
            self._changed()

    async def aclose(self) -> None:
        """Stop recording, and ignore tracks that are subscribed later. The recording is kept."""
        self._closed = True
        for sid in list(self._listeners):
            self._stop(sid)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _on_subscribed(
        self, track: rtc.RemoteTrack, _: object, participant: rtc.RemoteParticipant
    ) -> None:
        if self._closed or track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        self._kept.append(track)
        self._voices[track.sid] = participant.identity
        self._listeners[track.sid] = asyncio.create_task(
            self._listen(track, participant.identity), name="ear"
        )
        self._changed()

    def _on_unsubscribed(self, track: rtc.RemoteTrack, *_: object) -> None:
        self._stop(track.sid)

    def _stop(self, sid: str) -> None:
        # The audio stream of an unsubscribed track does not end on its own. Such a stream would
        # later carry the voice of another participant.
        listener = self._listeners.pop(sid, None)
        if listener is not None:
            listener.cancel()
            self._closing.add(listener)
            listener.add_done_callback(self._closing.discard)
        self._voices.pop(sid, None)
        self._changed()

    async def _listen(self, track: rtc.RemoteTrack, identity: str) -> None:
        placer = TrackPlacer()
        stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE, num_channels=1)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16)
                self.hear(samples, placer, until_s=self._now_s(), identity=identity)
        finally:
            await stream.aclose()
