"""Queue of audio segments that are fed to a sink, one after the other, ahead of playback."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from worker.aio.tasks import cancel_and_wait
from worker.audio.dsp import quietest_cut, to_float
from worker.audio.playout_meter import PlayoutMeter
from worker.audio.segment import Segment
from worker.audio.sinks import QUEUE_S, Sink
from worker.audio.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from livekit import rtc

logger = logging.getLogger(__name__)

#: Minimum seconds of audio that are fed to the sink at once, unless the segment has less left.
_CHUNK_S: Final = 0.05
#: Maximum seconds for which `sentence_over` waits until an utterance is completely synthesised.
_MADE_WITHIN_S: Final = 0.5
#: Minimum seconds of audio that `sentence_over` lets play before a pause counts as the end of a
#: sentence.
_SENTENCE_BEGINS_S: Final = 0.3
#: Minimum seconds between two steps of playback. A shorter wait is below the clock's resolution,
#: and would keep the event loop busy.
_LEAST_WAIT_S: Final = 0.001


class PlaybackQueue:
    """The queue of the audio output: one task plays its segments in order, one at a time.

    `on_begun` is called before the first audio of a segment goes to the sink. `on_played` is called
    once the whole segment was played, and `on_cut` if the segment was cut off.

    A complete segment (a clip, a cached sentence, speech that was fully synthesised) is sent to the
    sink in one go, limited only by the free space of the sink. The candidate therefore hears the
    whole of a complete segment even if the event loop is blocked. A segment that is still being
    synthesised is fed `QUEUE_S` seconds ahead of playback.

    The first segment waits for a subscriber, at most `subscribe_timeout` seconds. While output is
    held, because the candidate cannot hear it, nothing is fed and no audio is lost.

    Create the queue on a running event loop.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        subscribe_timeout: float,
        on_begun: Callable[[Segment], None],
        on_played: Callable[[Segment], None],
        on_cut: Callable[[Segment], None],
    ) -> None:
        self.segments: deque[Segment] = deque()
        self.meter = PlayoutMeter()
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._subscription = Subscription(sink, subscribe_timeout)
        self._on_begun, self._on_played, self._on_cut = on_begun, on_played, on_cut
        self._paused = False
        self._held = False
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    # --- subscribers ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start to feed the sink, which must be open."""
        self._subscription.start()
        self._task = asyncio.create_task(self._feed(), name="line")

    @property
    def started(self) -> bool:
        """True once `start` was called."""
        return self._task is not None

    @property
    def subscribed(self) -> bool:
        """True if there ever was a subscriber."""
        return self._subscription.exists

    @property
    def listened(self) -> bool:
        """True if audio that is fed now can be heard."""
        return self.subscribed and not self._held

    async def wait_for_subscriber(self) -> bool:
        """Wait for a subscriber, at most `subscribe_timeout` seconds; return whether one exists.

        Raises:
            RuntimeError: `start` was not called.
        """
        return await self._subscription.wait()

    async def aclose(self) -> None:
        """Stop feeding the sink."""
        feeding = () if self._task is None else (self._task,)
        await cancel_and_wait(*feeding, *self._subscription.tasks)

    # --- playback ------------------------------------------------------------------------------

    def append(self, segment: Segment) -> None:
        """Play a segment after the segments that are already queued."""
        self.segments.append(segment)
        self._idle.clear()
        self.wake()

    def interject(self, segment: Segment) -> bool:
        """Play a segment now if nothing is queued or the current utterance has stalled.

        Returns False if another segment is being played.
        """
        front = self.segments[0] if self.segments else None
        if front is not None and not self._has_stalled(front):
            return False
        self.segments.appendleft(segment)
        self._idle.clear()
        self.wake()
        return True

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Play a frame now, from any thread. Return True if the frame is played.

        The frame is played if nothing was played for `after_s` seconds, the audio can be heard, and
        speech is not paused. Audio that is fed next waits for the end of the frame.
        """
        if not self.listened or self._paused:
            return False
        began = self._loop.time()
        if not self._sink.play_aside(frame, after_s=after_s):
            return False
        # Once a blocked event loop continues, `_heard_aside` runs before any callback that became
        # due in the meantime.
        self._loop.call_soon_threadsafe(self._heard_aside, frame, began)
        return True

    def _heard_aside(self, frame: rtc.AudioFrame, began: float) -> None:
        self.meter.fed(frame, speech=False, begins=began)

    def _has_stalled(self, front: Segment) -> bool:
        return front.speech and (
            self._paused or not (front.has_audio or front.complete or self._sink.queued_s)
        )

    async def sentence_over(self, *, longest_s: float) -> bool:
        """Wait until the current utterance is over or at a pause, at most `longest_s` seconds.

        Returns True if the utterance is over.
        """
        front = self.segments[0] if self.segments else None
        if front is None or not front.speech or self._paused or self._held or longest_s <= 0:
            return False
        until = self._loop.time() + longest_s
        if not front.complete:
            # The positions of the pauses are known only once the utterance is synthesised.
            await asyncio.wait({front.finished}, timeout=min(_MADE_WITHIN_S, longest_s / 2))
        wait_s = until - self._loop.time()
        ahead, rate = front.ahead(self._sink.queued_s), self._sink.sample_rate
        if len(ahead) > wait_s * rate:
            search_s = max(wait_s / 2, wait_s - _SENTENCE_BEGINS_S)
            wait_s = quietest_cut(to_float(ahead), rate, longest_s=wait_s, search_s=search_s) / rate
        await asyncio.wait({front.finished}, timeout=wait_s)
        return front.over

    async def drain(self) -> None:
        """Return once every segment was played out or cut off."""
        await self._idle.wait()

    def cut(self, segment: Segment) -> None:
        """Cut off a segment at its current position, or remove it from the queue."""
        if segment.over:
            return
        played_s = segment.pushed_s
        if segment is self.segments[0] and segment.started:
            played_s = max(0.0, segment.pushed_s - self._sink.queued_s)
            self.clear()
        self._finish(segment, played_s)
        self._on_cut(segment)

    def clear(self) -> None:
        """Discard the audio that the sink holds."""
        self.meter.cleared()
        self._sink.clear()

    def wake(self) -> None:
        """Wake the feeding task, because the state of the queue has changed."""
        self._changed.set()

    @property
    def position_s(self) -> float | None:
        """Seconds that were played of the segment in front; None if it has not begun."""
        front = self.segments[0] if self.segments else None
        if front is None or not front.started:
            return None
        return max(0.0, front.pushed_s - self._sink.queued_s)

    # --- pausing -------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """True while speech is paused."""
        return self._paused

    def pause(self) -> None:
        """Pause speech at its position; clips continue."""
        self._paused = True
        if self.segments and self.segments[0].speech:
            self._take_back()

    def resume(self) -> None:
        """Continue speech at the position at which `pause` stopped it."""
        self._paused = False
        self.wake()

    @property
    def held(self) -> bool:
        """True from `hold` until `release`."""
        return self._held

    def hold(self) -> None:
        """Stop all output at its current position, because the candidate cannot hear it now."""
        self._held = True
        if self.segments:
            self._take_back()

    def release(self) -> None:
        """Continue all output at the position at which `hold` stopped it."""
        self._held = False
        self.wake()

    def _take_back(self) -> None:
        queued_s = self._sink.queued_s
        self.clear()
        self.segments[0].take_back(queued_s)

    # --- feeding -------------------------------------------------------------------------------

    def _finish(self, segment: Segment, played_s: float) -> None:
        segment.close(played_s)
        self.segments.remove(segment)
        if not self.segments:
            self._idle.set()
        self.wake()

    async def _feed(self) -> None:
        while True:
            self._changed.clear()
            try:
                wait_s = await self._advance()
            except Exception as error:
                logger.error(
                    "audio playback failed, the current segment is cut off",
                    extra={"event": "audio_playback_failed", "error": type(error).__name__},
                )
                if self.segments:
                    self.cut(self.segments[0])
                continue
            if wait_s is None:
                await self._changed.wait()
            elif wait_s:
                await self._wait_for_change(max(wait_s, _LEAST_WAIT_S))

    async def _wait_for_change(self, longest_s: float) -> None:
        try:
            async with asyncio.timeout(longest_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _advance(self) -> float | None:
        """Do the next step of playback.

        Returns the seconds until the following step, or None if there is nothing to do until `wake`
        is called.
        """
        segment = self.segments[0] if self.segments else None
        if segment is None or self._held or (segment.speech and self._paused):
            return None
        if not self._subscription.is_settled:
            await self._subscription.settle()
            return 0
        if aside_s := self._sink.aside_s:
            return aside_s
        queued_s = self._sink.queued_s
        free_s = (self._sink.capacity_s if segment.complete else QUEUE_S) - queued_s
        if not segment.has_audio:
            if not segment.complete:
                return None
            if queued_s:
                return queued_s
            self._finish(segment, segment.pushed_s)
            self._on_played(segment)
        elif free_s < _CHUNK_S:
            return _CHUNK_S - free_s
        else:
            await self._push(segment, free_s if segment.complete else _CHUNK_S, queued_s)
        return 0

    async def _push(self, segment: Segment, seconds: float, queued_s: float) -> None:
        if not segment.started:
            self._on_begun(segment)
        chunk = segment.take(seconds)
        # Record the chunk before the sink takes it, so that a cut during `capture_frame` includes
        # the chunk.
        if self.listened:
            begins = asyncio.get_running_loop().time() + queued_s
            self.meter.fed(chunk, speech=segment.speech, begins=begins)
        await self._sink.capture_frame(chunk)
