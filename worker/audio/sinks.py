"""Destinations of the output audio: a published LiveKit track, or a callable without a room."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from livekit import rtc
from livekit.rtc.participant import UnpublishTrackError

from worker.aio.tasks import cancel_and_wait
from worker.audio.dsp import VOICE_SAMPLE_RATE
from worker.audio.ffi_capture import StraightUnavailable, capture_via_ffi
from worker.audio.frames import pieces_of
from worker.audio.playout_meter import Playhead

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

#: Maximum seconds of audio in a sink while an utterance is still being synthesised. The queue is
#: longer than 0.3 s, the longest time for which an event loop was blocked (measured).
QUEUE_S: Final = 0.4
#: Maximum seconds of audio in a sink if all of the utterance is synthesised. Every clip, and every
#: utterance but the longest, fits as a whole. The candidate therefore hears all of the audio even
#: while the event loop is blocked.
LONG_QUEUE_S: Final = 10.0
#: Length in seconds of the pieces in which `QueueSink` delivers a frame. `clear` drops only the
#: pieces that are not delivered yet.
PIECE_S: Final = 0.05
_UNPUBLISH_TIMEOUT_S: Final = 1.0
#: Seconds by which sums of durations may be off because of rounding.
_ROUNDING_S: Final = 1e-6


class Sink(Protocol):
    """Plays mono audio in real time, at one sample rate, out of a queue."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the frames that the sink takes."""

    @property
    def capacity_s(self) -> float:
        """Seconds of audio that the sink can hold."""

    @property
    def queued_s(self) -> float:
        """Seconds of audio passed to `capture_frame` that are not played yet."""

    @property
    def aside_s(self) -> float:
        """Seconds of audio passed to `play_aside` that are not played yet."""

    async def open(self, room: rtc.Room | None) -> None:
        """Start to play.

        Raises:
            ValueError: the sink needs a room and got none.
            PublishTrackError: the room refused the track.
        """

    async def wait_for_listener(self) -> None:
        """Return once a participant can hear the audio; waits without limit."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame; returns at once if the queue has room for it."""

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Queue a frame, from any thread, if nothing was played for `after_s` seconds.

        Returns whether the frame was queued.
        """

    def clear(self) -> None:
        """Discard the queued audio, so that none of it is heard."""

    async def aclose(self) -> None:
        """Stop playing, and release all resources."""


class RtcSink:
    """The worker's own microphone track in a LiveKit room.

    Create the sink on a running event loop. The track's source is SOURCE_MICROPHONE, because
    LiveKit's clients and agents take such a track for a participant's voice.
    """

    def __init__(
        self, *, sample_rate: int = VOICE_SAMPLE_RATE, track_name: str = "interviewer"
    ) -> None:
        self._source = rtc.AudioSource(sample_rate, 1, queue_size_ms=round(LONG_QUEUE_S * 1000))
        self._track = rtc.LocalAudioTrack.create_audio_track(track_name, self._source)
        self._room: rtc.Room | None = None
        self._publication: rtc.LocalTrackPublication | None = None
        self._closed = False
        # LiveKit's own count of queued audio is not used, because it falls behind permanently once
        # the event loop was blocked, and does not include the audio of `play_aside`.
        self._fed, self._aside = Playhead(), Playhead()
        self._clearings = 0
        # Guards the playheads, and the calls to the source that must match them.
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Samples per second of the frames that the sink takes."""
        return self._source.sample_rate

    @property
    def capacity_s(self) -> float:
        """Seconds of audio that the sink can hold."""
        return LONG_QUEUE_S

    @property
    def queued_s(self) -> float:
        """Seconds of audio passed to `capture_frame` that are not played yet."""
        return self._fed.left_s

    @property
    def aside_s(self) -> float:
        """Seconds of audio passed to `play_aside` that are not played yet."""
        return self._aside.left_s

    @property
    def publication(self) -> rtc.LocalTrackPublication | None:
        """The published track; None before it is published."""
        return self._publication

    async def open(self, room: rtc.Room | None) -> None:
        """Publish the track in a connected room."""
        if room is None:
            raise ValueError("publishing the audio track needs a room")
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self._publication = await room.local_participant.publish_track(self._track, options)
        self._room = room

    async def wait_for_listener(self) -> None:
        """Return once a participant has subscribed to the track."""
        if self._publication is None:
            raise RuntimeError("the track is not published")
        await self._publication.wait_for_subscription()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame."""
        with self._lock:
            self._fed.add(frame.duration)
            clearings = self._clearings
        await self._source.capture_frame(frame)
        if self._clearings != clearings:
            # Clear again, because the source, which takes frames in its own thread, may have taken
            # this frame after `clear` was called.
            self.clear()

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Queue a frame, from any thread, if nothing was played for `after_s` seconds.

        Returns whether the frame was queued.
        """
        with self._lock:
            if self._closed or min(self._fed.quiet_s, self._aside.quiet_s) < after_s:
                return False
            try:
                capture_via_ffi(self._source, frame)
            except StraightUnavailable as error:
                logger.warning(
                    "a message that asks the candidate to wait was not played: %s",
                    error,
                    extra={"event": "waiting_message_not_played"},
                )
                return False
            self._aside.add(frame.duration)
        return True

    def clear(self) -> None:
        """Discard the queued audio; up to 50 ms of it may still be audible (measured)."""
        with self._lock:
            self._clearings += 1
            self._fed.clear()
            self._aside.clear()
            # LiveKit's `clear_queue` asserts that the source still exists, and a job that loses its
            # lease may clear the sink at any time.
            if not self._closed:
                self._source.clear_queue()

    async def aclose(self) -> None:
        """Unpublish the track if the room is still connected, and free the source."""
        if self._closed:
            return
        self.clear()
        with self._lock:
            self._closed = True
        publication, self._publication = self._publication, None
        if publication is not None and self._room is not None and self._room.isconnected():
            with suppress(UnpublishTrackError, TimeoutError):
                async with asyncio.timeout(_UNPUBLISH_TIMEOUT_S):
                    await self._room.local_participant.unpublish_track(publication.sid)
        await self._source.aclose()


class QueueSink:
    """Passes each frame to a callable at the moment at which the frame becomes audible.

    This sink is for audio without a room: a terminal, a recording, a test. The queue is short,
    because the event loop itself plays the audio, so a longer queue would not help while the event
    loop is blocked.
    """

    def __init__(
        self,
        deliver: Callable[[rtc.AudioFrame], Awaitable[None]],
        *,
        sample_rate: int = VOICE_SAMPLE_RATE,
    ) -> None:
        self._deliver = deliver
        self._sample_rate = sample_rate
        self._frames: deque[rtc.AudioFrame] = deque()
        # Event loop time at which the last delivered frame will have been played.
        self._due = 0.0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self._player: asyncio.Task[None] | None = None

    @property
    def sample_rate(self) -> int:
        """Samples per second of the frames that the sink takes."""
        return self._sample_rate

    @property
    def capacity_s(self) -> float:
        """Seconds of audio that the sink can hold."""
        return QUEUE_S

    @property
    def aside_s(self) -> float:
        """Always 0, because this sink takes no audio with `play_aside`."""
        return 0.0

    @property
    def queued_s(self) -> float:
        """Seconds of audio that the sink holds and has not played yet."""
        return self._held_s + max(self._due - asyncio.get_running_loop().time(), 0.0)

    @property
    def _held_s(self) -> float:
        return sum(frame.duration for frame in self._frames)

    async def open(self, room: rtc.Room | None) -> None:
        """Start to play; the room is ignored."""
        if self._player is None:
            self._player = asyncio.create_task(self._play(), name="queue-sink")

    async def wait_for_listener(self) -> None:
        """Return at once, because the callable that receives the frames is the listener."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame; waits while the queue is full."""
        for piece in pieces_of(frame, PIECE_S):
            while self._frames and self._held_s + piece.duration > QUEUE_S + _ROUNDING_S:
                self._taken.clear()
                await self._taken.wait()
            self._frames.append(piece)
            self._filled.set()

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Queue nothing and return False: this sink delivers frames only from the event loop."""
        return False

    def clear(self) -> None:
        """Discard the queued audio."""
        self._frames.clear()
        self._due = 0.0
        self._taken.set()

    async def aclose(self) -> None:
        """Stop playing."""
        self.clear()
        if self._player is not None:
            await cancel_and_wait(self._player)
            self._player = None

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(self._due - loop.time(), 0.0))
            while not self._frames:
                self._filled.clear()
                await self._filled.wait()
            frame = self._frames.popleft()
            self._due = max(self._due, loop.time()) + frame.duration
            self._taken.set()
            try:
                await self._deliver(frame)
            except Exception as error:
                logger.warning(
                    "a frame of audio was not delivered",
                    extra={"event": "audio_frame_not_delivered", "error": type(error).__name__},
                )
