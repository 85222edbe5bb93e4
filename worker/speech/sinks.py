"""Where the line's audio goes: a published LiveKit track, or a callable without a room."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from livekit import rtc
from livekit.agents.utils import aio
from livekit.rtc.participant import UnpublishTrackError

from worker.speech.audio import VOICE_SAMPLE_RATE
from worker.speech.frames import pieces_of
from worker.speech.playhead import Playhead
from worker.speech.straight import StraightUnavailable, capture_straight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

#: Seconds of an utterance that is still being made, at the most, which a sink holds: longer
#: than the 0.3 s that loops are measured to be blocked for.
QUEUE_S: Final = 0.4
#: Seconds of what is complete: every clip, and all but the longest line, is there as a whole, and
#: is heard to its end over an event loop that is blocked.
LONG_QUEUE_S: Final = 10.0
#: Seconds of a frame that cannot be taken back once it was handed on.
PIECE_S: Final = 0.05
_UNPUBLISH_TIMEOUT_S: Final = 1.0
#: Seconds that sums of durations are off by.
_ROUNDING_S: Final = 1e-6


class Sink(Protocol):
    """What plays audio in real time, mono, at one sample rate, out of a queue."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the frames it takes."""

    @property
    def capacity_s(self) -> float:
        """Seconds of audio that it can hold."""

    @property
    def queued_s(self) -> float:
        """Seconds of audio that it was given by `capture_frame` and has not played yet."""

    @property
    def aside_s(self) -> float:
        """Seconds of what `play_aside` gave it that it has not played yet."""

    async def open(self, room: rtc.Room | None) -> None:
        """Begin to play.

        Raises:
            ValueError: it needs a room and got none.
            PublishTrackError: the room refused the track.
        """

    async def wait_for_listener(self) -> None:
        """Return once somebody can hear it; waits without limit."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame; returns at once where the queue has room for it."""

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Queue a frame, from any thread, if there was nothing to play for `after_s` seconds.

        Returns whether there was not, and it can be done.
        """

    def clear(self) -> None:
        """Throw away what is queued: nothing of it is heard any more."""

    async def aclose(self) -> None:
        """Stop playing and give everything back."""


class RtcSink:
    """A microphone track of ours in a LiveKit room.

    To be made on a running event loop. The source is SOURCE_MICROPHONE, because that is what
    LiveKit's clients and agents take for a participant's voice.
    """

    def __init__(
        self, *, sample_rate: int = VOICE_SAMPLE_RATE, track_name: str = "interviewer"
    ) -> None:
        self._source = rtc.AudioSource(sample_rate, 1, queue_size_ms=round(LONG_QUEUE_S * 1000))
        self._track = rtc.LocalAudioTrack.create_audio_track(track_name, self._source)
        self._room: rtc.Room | None = None
        self._publication: rtc.LocalTrackPublication | None = None
        self._closed = False
        # LiveKit's own count falls behind for good when the loop was blocked, and knows nothing
        # of what is played aside.
        self._fed, self._aside = Playhead(), Playhead()
        self._clearings = 0
        # Over the playheads and what is told the source at once with them.
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Samples per second of the frames it takes."""
        return self._source.sample_rate

    @property
    def capacity_s(self) -> float:
        """Seconds of audio that it can hold."""
        return LONG_QUEUE_S

    @property
    def queued_s(self) -> float:
        """Seconds of audio that it was given by `capture_frame` and has not played yet."""
        return self._fed.left_s

    @property
    def aside_s(self) -> float:
        """Seconds of what `play_aside` gave it that it has not played yet."""
        return self._aside.left_s

    @property
    def publication(self) -> rtc.LocalTrackPublication | None:
        """The track as published, None before that."""
        return self._publication

    async def open(self, room: rtc.Room | None) -> None:
        """Publish the track in a connected room."""
        if room is None:
            raise ValueError("a track needs a room to be published in")
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
            # The source takes a frame in a thread of its own, which may have been later.
            self.clear()

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Queue a frame, from any thread, if there was nothing to play for `after_s` seconds.

        Returns whether there was not, and it can be done.
        """
        with self._lock:
            if self._closed or min(self._fed.quiet_s, self._aside.quiet_s) < after_s:
                return False
            try:
                capture_straight(self._source, frame)
            except StraightUnavailable as error:
                logger.warning("%s", error)
                return False
            self._aside.add(frame.duration)
        return True

    def clear(self) -> None:
        """Throw away what is queued; the last of it is audible for up to 50 ms (measured)."""
        with self._lock:
            self._clearings += 1
            self._fed.clear()
            self._aside.clear()
            # LiveKit asserts that the source is still there, and fencing may come at any time.
            if not self._closed:
                self._source.clear_queue()

    async def aclose(self) -> None:
        """Take the track out of the room, if we are still in it, and free the source."""
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
    """Hands each frame to a callable at the moment at which it would begin to be heard.

    For audio without a room: a terminal, a recording, a test. Its queue is short, since the event
    loop itself plays it: nothing would be heard of a longer one over a loop that is blocked.
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
        # When, by the loop's clock, the frame that was handed on last will have been played.
        self._due = 0.0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self._player: asyncio.Task[None] | None = None

    @property
    def sample_rate(self) -> int:
        """Samples per second of the frames it takes."""
        return self._sample_rate

    @property
    def capacity_s(self) -> float:
        """Seconds of audio that it can hold."""
        return QUEUE_S

    @property
    def aside_s(self) -> float:
        """Nothing is played aside."""
        return 0.0

    @property
    def queued_s(self) -> float:
        """Seconds of audio that it holds and has not played yet."""
        return self._held_s + max(self._due - asyncio.get_running_loop().time(), 0.0)

    @property
    def _held_s(self) -> float:
        return sum(frame.duration for frame in self._frames)

    async def open(self, room: rtc.Room | None) -> None:
        """Begin to play; there is no use for a room."""
        if self._player is None:
            self._player = asyncio.create_task(self._play(), name="queue-sink")

    async def wait_for_listener(self) -> None:
        """Return at once: the callable is the listener."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Queue a frame; waits while the queue is full."""
        for piece in pieces_of(frame, PIECE_S):
            while self._frames and self._held_s + piece.duration > QUEUE_S + _ROUNDING_S:
                self._taken.clear()
                await self._taken.wait()
            self._frames.append(piece)
            self._filled.set()

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Nothing is heard without the event loop, which hands each frame on."""
        return False

    def clear(self) -> None:
        """Throw away what is queued."""
        self._frames.clear()
        self._due = 0.0
        self._taken.set()

    async def aclose(self) -> None:
        """Stop playing."""
        self.clear()
        if self._player is not None:
            await aio.cancel_and_wait(self._player)
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
                logger.warning("audio was not delivered", extra={"error": type(error).__name__})
