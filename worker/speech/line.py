"""The one audio line to the candidate, which the session's speech and our clips share."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents.utils import aio
from livekit.agents.voice import io

from worker.speech.frames import frame_of
from worker.speech.segment import CHUNK_S, Segment
from worker.speech.sinks import QUEUE_S, RtcSink, Sink

if TYPE_CHECKING:
    from worker.speech.clip import Clip

logger = logging.getLogger(__name__)


class Line(io.AudioOutput):
    """A LiveKit audio output that also plays clips, one after the other, never two at once.

    Set it as `session.output.audio` before `session.start`, with
    `RoomOptions(audio_output=False)`: RoomIO still puts the transcript synchronizer over it.
    Clips need no session: they can be queued before there is one, and before `publish`.

    A segment is one utterance of the session or one clip. One task feeds segments to the sink
    in the order they came, the next one when the one before was played out. An utterance that
    has begun is over for the line when the session has flushed or interrupted it: a clip waits
    for that, so interrupt a speech that got stuck before playing a clip about it.

    The first segment waits for somebody to hear it, `subscribe_timeout` seconds at most: a
    client that subscribes to nothing must not hold up the interview (LiveKit's own output waits
    for it without limit). `subscribed` tells whether there ever was a listener.

    To be made on a running event loop.
    """

    def __init__(self, sink: Sink | None = None, *, subscribe_timeout: float = 10.0) -> None:
        self._sink: Sink = sink or RtcSink()
        super().__init__(
            label="Line",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=self._sink.sample_rate,
        )
        self._subscribe_timeout = subscribe_timeout
        self._segments: deque[Segment] = deque()
        # The utterance that the session is capturing, in `_segments` unless it is over.
        self._speech: Segment | None = None
        self._paused = False
        self._silent = False
        self._closed = False
        # Somebody listens, or was waited for in vain.
        self._may_begin = False
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._publishing = asyncio.Lock()
        self._listener: asyncio.Task[None] | None = None
        self._feeder: asyncio.Task[None] | None = None

    @property
    def sink(self) -> Sink:
        """Where the audio goes."""
        return self._sink

    @property
    def subscribed(self) -> bool:
        """Whether somebody has subscribed to the line since it was published."""
        listener = self._listener
        return listener is not None and listener.done() and not listener.cancelled()

    async def publish(self, room: rtc.Room | None = None) -> None:
        """Open the line in a connected room (or without one, as the sink has it) and begin to
        play what is queued. Does nothing the second time.

        Raises:
            ValueError: the sink needs a room.
            PublishTrackError: the room refused the track.
        """
        async with self._publishing:
            if self._feeder is not None or self._closed:
                return
            await self._sink.open(room)
            self._listener = asyncio.create_task(self._sink.wait_for_listener(), name="listener")
            self._feeder = asyncio.create_task(self._feed(), name="line")

    async def wait_for_subscriber(self) -> bool:
        """Wait for a listener, at most `subscribe_timeout` seconds; returns whether there is one.

        Raises:
            RuntimeError: the line is not published.
        """
        if self._listener is None:
            raise RuntimeError("the line is not published")
        await asyncio.wait({self._listener}, timeout=self._subscribe_timeout)
        return self.subscribed

    async def play(self, clip: Clip) -> float:
        """Play a clip when its turn has come, and return once it was played out.

        Returns the seconds of it that were played: all of it, or less where `silence` or
        `aclose` cut it off, 0 where the line was silent already. Cancelling the caller cuts it.
        """
        if self._silent or self._closed:
            return 0.0
        segment = Segment(sample_rate=self._sink.sample_rate, speech=False)
        segment.add(frame_of(clip.pcm, clip.sample_rate))
        segment.end()
        self._append(segment)
        try:
            await segment.finished
        finally:
            self._cut(segment)
        return segment.played_s

    async def drain(self) -> None:
        """Return once all that was queued has been played; an utterance must be flushed first."""
        await self._idle.wait()

    def silence(self) -> None:
        """Cut off what is played and queued, at once, and feed nothing more until `unsilence`.

        The last audible frame is about 50 ms later (measured). What the session says meanwhile
        counts as interrupted at 0 seconds; clips return 0.
        """
        self._silent = True
        for segment in list(self._segments):
            self._cut(segment)
        self._sink.clear()

    def unsilence(self) -> None:
        """Let what comes from now on be heard; an utterance under way stays cut off."""
        self._silent = False

    @property
    def silent(self) -> bool:
        """Whether `silence` is in force."""
        return self._silent

    async def aclose(self) -> None:
        """Cut off what is played and queued, and take the track out of the room."""
        self._closed = True
        for segment in list(self._segments):
            self._cut(segment)
        tasks = [task for task in (self._feeder, self._listener) if task is not None]
        await aio.cancel_and_wait(*tasks)
        await self._sink.aclose()

    # What AgentSession calls.

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take audio of the session's utterance; never waits, whatever is being played."""
        await super().capture_frame(frame)
        if self._speech is None:
            self._speech = Segment(sample_rate=self._sink.sample_rate, speech=True)
            if self._silent or self._closed:
                self._speech.close(0.0)
            else:
                self._append(self._speech)
        if not self._speech.over:
            self._speech.add(frame)
            self._changed.set()

    def flush(self) -> None:
        """End the utterance: it is finished once it was played out."""
        super().flush()
        segment, self._speech = self._speech, None
        if segment is None:
            return
        segment.end()
        if segment.over:
            self._report(segment)
        self._changed.set()

    def clear_buffer(self) -> None:
        """Interrupt the session's speech; clips go on."""
        for segment in [segment for segment in self._segments if segment.speech]:
            self._cut(segment)

    def pause(self) -> None:
        """Stop the session's speech where it is; nothing of it is lost.

        A clip that is being played goes on, one behind a paused utterance waits for it.
        """
        super().pause()
        self._paused = True
        if self._segments and self._segments[0].speech:
            queued_s = self._sink.queued_s
            self._sink.clear()
            self._segments[0].take_back(queued_s)

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        super().resume()
        self._paused = False
        self._changed.set()

    # The feeding.

    def _append(self, segment: Segment) -> None:
        self._segments.append(segment)
        self._idle.clear()
        self._changed.set()

    def _cut(self, segment: Segment) -> None:
        """Cut a segment off where it is, or take it out of the queue."""
        if segment.over:
            return
        played_s = 0.0
        if segment is self._segments[0] and segment.started:
            played_s = max(0.0, segment.pushed_s - self._sink.queued_s)
            self._sink.clear()
        self._finish(segment, played_s)
        if segment.speech and segment.complete:
            self._report(segment)

    def _finish(self, segment: Segment, played_s: float) -> None:
        segment.close(played_s)
        self._segments.remove(segment)
        if not self._segments:
            self._idle.set()
        self._changed.set()

    def _report(self, segment: Segment) -> None:
        """Tell the session that its utterance was interrupted.

        Later than the call that made it so, for the outputs above this one count an utterance,
        and end it, only after this one has.
        """
        report = functools.partial(
            self.on_playback_finished, playback_position=segment.played_s, interrupted=True
        )
        asyncio.get_running_loop().call_soon(report)

    async def _feed(self) -> None:
        while True:
            self._changed.clear()
            try:
                wait_s = await self._advance()
            except Exception as error:
                logger.error("audio was not taken", extra={"error": type(error).__name__})
                if self._segments:
                    self._cut(self._segments[0])
                continue
            if wait_s != 0:
                await self._wait_for_change(wait_s)

    async def _wait_for_change(self, longest_s: float | None) -> None:
        try:
            async with asyncio.timeout(longest_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _advance(self) -> float | None:
        """Do the next thing; returns the seconds until there is another, None without limit."""
        segment = self._segments[0] if self._segments else None
        if segment is None or (segment.speech and self._paused):
            return None
        if not self._may_begin:
            await self._wait_for_first_listener()
            return 0
        queued_s = self._sink.queued_s
        if not segment.has_audio:
            if not segment.complete:
                return None
            if queued_s:
                return queued_s
            self._play_out(segment)
        elif queued_s + CHUNK_S > QUEUE_S:
            return queued_s + CHUNK_S - QUEUE_S
        else:
            if segment.speech and not segment.started:
                self.on_playback_started(created_at=time.time())
            await self._sink.capture_frame(segment.take())
        return 0

    def _play_out(self, segment: Segment) -> None:
        self._finish(segment, segment.pushed_s)
        if segment.speech:
            self.on_playback_finished(playback_position=segment.pushed_s, interrupted=False)

    async def _wait_for_first_listener(self) -> None:
        if not await self.wait_for_subscriber():
            logger.warning(
                "nobody has subscribed to the line, speaking all the same",
                extra={"waited_s": self._subscribe_timeout},
            )
        self._may_begin = True
