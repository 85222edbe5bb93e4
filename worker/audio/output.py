"""The one audio output to the candidate, shared by the session's speech and by clips."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents.voice import io

from worker.audio.frames import frame_of, resampled
from worker.audio.playback_queue import PlaybackQueue
from worker.audio.segment import Playout, Segment
from worker.audio.sinks import RtcSink, Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.audio.clip import Clip


def _ignore(*_: object) -> None:
    """Do nothing: the default of the callbacks of `MixedAudioOutput`."""


class MixedAudioOutput(io.AudioOutput):
    """LiveKit audio output that plays the session's speech and clips, one at a time.

    Set this output as `session.output.audio` before `session.start`, with
    `RoomOptions(audio_output=False)`. RoomIO also wraps this output in the transcript
    synchronizer. Clips need no session, so they can be queued before a session exists, and before
    `publish`.

    A segment is one utterance of the session or one clip. One task feeds the segments to the sink
    in the order of arrival. Each segment starts when the previous segment has been played out. An
    utterance that has begun ends only when the session flushes or interrupts it, and queued clips
    wait for that end. Interrupt a stuck utterance before you play a clip that announces the
    problem.

    The first segment waits for a subscriber, but at most `subscribe_timeout` seconds, because a
    client that never subscribes must not delay the interview. (LiveKit's own output waits without
    limit.) `subscribed` tells whether there has been a subscriber. `heard_at` tells when sound was
    last audible to a subscriber.

    Create the output on a running event loop.
    """

    def __init__(self, sink: Sink | None = None, *, subscribe_timeout: float = 10.0) -> None:
        self._sink: Sink = sink or RtcSink()
        super().__init__(
            label="MixedAudioOutput",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=self._sink.sample_rate,
        )
        self._feeder = PlaybackQueue(
            self._sink,
            subscribe_timeout=subscribe_timeout,
            on_begun=self._on_begun,
            on_played=self._on_played,
            on_cut=self._on_cut,
        )
        # The utterance whose frames the session sends. The utterance stays in `_feeder` until it is
        # over.
        self._speech: Segment | None = None
        self._last_playout: Playout | None = None
        self._silent = False
        self._closed = False
        self._publishing = asyncio.Lock()
        #: Called after each `hold` and `release`.
        self.on_held: Callable[[], None] = _ignore
        #: Called with the text of a clip that begins to play, and with None when it is over.
        self.on_clip: Callable[[str | None], None] = _ignore

    @property
    def sink(self) -> Sink:
        """Destination of the audio."""
        return self._sink

    async def publish(self, room: rtc.Room | None = None) -> None:
        """Open the sink and start to play the queued segments.

        If the output is already published, do nothing.

        `room` is a connected room, or None for a sink that needs none.

        Raises:
            ValueError: the sink needs a room, and `room` is None.
            PublishTrackError: the room refused the track.
        """
        async with self._publishing:
            if self._feeder.started or self._closed:
                return
            await self._sink.open(room)
            self._feeder.start()

    # Subscribers.

    @property
    def subscribed(self) -> bool:
        """True if a participant has subscribed since the track was published."""
        return self._feeder.subscribed

    @property
    def listened(self) -> bool:
        """True if the track has a subscriber and `hold` has not stopped the output."""
        return self._feeder.listened

    def heard_at(self, *, speech: bool = False) -> float | None:
        """Return the last event loop time at which sound was audible; None if there was no sound.

        Audio that was only queued does not count, and digital silence does not count as sound. If
        `speech` is True, only the session's speech counts, not clips.
        """
        return self._feeder.meter.heard_at(speech=speech)

    def mark(self) -> None:
        """Clear `first_heard_at`; the first sound after this call sets it again."""
        self._feeder.meter.mark()

    @property
    def first_heard_at(self) -> float | None:
        """Event loop time of the first audible sound since `mark`; None if there was none."""
        return self._feeder.meter.first_heard_at

    async def wait_for_subscriber(self) -> bool:
        """Wait for a subscriber, at most `subscribe_timeout` seconds; return whether one exists.

        Raises:
            RuntimeError: the track is not published.
        """
        return await self._feeder.wait_for_subscriber()

    @property
    def position_s(self) -> float | None:
        """Seconds that were played of the utterance or clip; None if nothing is played."""
        return self._feeder.position_s

    @property
    def last_playout(self) -> Playout | None:
        """Played and total duration of the last finished utterance; None if there was none."""
        return self._last_playout

    def hold(self) -> None:
        """Stop all output at its current position until `release`.

        Use `hold` while the candidate cannot hear the output. Unlike `pause`, `hold` also stops
        clips. Unlike `silence`, `hold` loses no audio.
        """
        self._feeder.hold()
        self.on_held()

    def release(self) -> None:
        """Continue all output at the position at which `hold` stopped it."""
        self._feeder.release()
        self.on_held()

    @property
    def held(self) -> bool:
        """True from `hold` until `release`."""
        return self._feeder.held

    # Clips.

    async def play(self, clip: Clip) -> float:
        """Play a clip after the queued segments. Return when the clip has been played out.

        Returns the seconds of the clip that were played: fewer than its length if `silence` or
        `aclose` cut the clip off, and 0 if the output was already silenced or closed. Cancelling
        the caller also cuts the clip off.
        """
        if self._silent or self._closed:
            return 0.0
        segment = self._segment_of(clip)
        self._feeder.append(segment)
        return await self._played(segment)

    async def interject(self, clip: Clip) -> float:
        """Play a clip at once if the output is quiet, even within an utterance that has stalled.

        The stalled utterance continues after the clip. Returns the seconds of the clip that were
        played, and 0 if the output is not quiet or cannot be heard.
        """
        if self._silent or self._closed or not self._feeder.listened:
            return 0.0
        segment = self._segment_of(clip)
        if not self._feeder.interject(segment):
            return 0.0
        return await self._played(segment)

    def play_aside(self, clip: Clip, *, after_s: float) -> bool:
        """Play a clip from another thread, while the event loop may be blocked.

        The clip is played at once if nothing was played for `after_s` seconds, a participant has
        subscribed, and the output is not silenced, paused or held. Returns True if the clip is
        played.
        """
        if self._silent or self._closed:
            return False
        pcm = resampled(clip.pcm, clip.sample_rate, self._sink.sample_rate)
        return self._feeder.play_aside(frame_of(pcm, self._sink.sample_rate), after_s=after_s)

    def _segment_of(self, clip: Clip) -> Segment:
        segment = Segment(sample_rate=self._sink.sample_rate, speech=False, text=clip.text)
        segment.add(frame_of(clip.pcm, clip.sample_rate))
        segment.end()
        return segment

    async def _played(self, segment: Segment) -> float:
        try:
            await segment.finished
        finally:
            self._feeder.cut(segment)
        return segment.played_s

    async def drain(self) -> None:
        """Wait until all queued audio is played. Call `flush` first, to end the utterance."""
        await self._feeder.drain()

    async def sentence_over(self, *, longest_s: float) -> bool:
        """Wait for a good point at which to cut off the session's utterance.

        A good point is the end of the utterance if the end comes within `longest_s` seconds, else
        the quietest pause in that time. Returns True if the utterance is over. If no utterance is
        being played, the method returns False at once.
        """
        return await self._feeder.sentence_over(longest_s=longest_s)

    def silence(self) -> None:
        """Cut off all playing and queued audio at once, and play nothing more until `unsilence`.

        The candidate may hear up to about 50 ms more (measured). An utterance of the session while
        the output is silenced counts as interrupted at 0 seconds, and `play` returns 0.
        """
        self._silent = True
        self._cut_all()
        self._feeder.clear()

    def unsilence(self) -> None:
        """End `silence`. New audio is played again, but an utterance in progress stays cut off."""
        self._silent = False

    @property
    def silent(self) -> bool:
        """True from a call of `silence` until `unsilence`."""
        return self._silent

    async def aclose(self) -> None:
        """Cut off all playing and queued audio, and close the sink, which unpublishes its track."""
        self._closed = True
        self._cut_all()
        await self._feeder.aclose()
        await self._sink.aclose()

    def _cut_all(self) -> None:
        for segment in list(self._feeder.segments):
            self._feeder.cut(segment)

    # Called by AgentSession.

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Append audio to the session's utterance; never waits for playback."""
        await super().capture_frame(frame)
        if self._speech is None:
            self._speech = Segment(sample_rate=self._sink.sample_rate, speech=True)
            if self._silent or self._closed:
                self._speech.close(0.0)
            else:
                self._feeder.append(self._speech)
        if not self._speech.over:
            self._speech.add(frame)
            self._feeder.wake()

    def flush(self) -> None:
        """End the session's utterance, which is finished once all of its audio was played out."""
        super().flush()
        segment, self._speech = self._speech, None
        if segment is None:
            return
        segment.end()
        if segment.over:
            self._report(segment)
        self._feeder.wake()

    def clear_buffer(self) -> None:
        """Interrupt the session's speech; clips continue."""
        for segment in [segment for segment in self._feeder.segments if segment.speech]:
            self._feeder.cut(segment)

    @property
    def paused(self) -> bool:
        """True while the session has paused its speech."""
        return self._feeder.paused

    def pause(self) -> None:
        """Pause the session's speech at its position; no audio is lost.

        A clip that is playing continues. A clip that is queued after a paused utterance waits for
        the utterance.
        """
        super().pause()
        self._feeder.pause()

    def resume(self) -> None:
        """Continue the session's speech at the position at which `pause` stopped it."""
        super().resume()
        self._feeder.resume()

    # Called by the playback queue.

    def _on_begun(self, segment: Segment) -> None:
        if segment.speech:
            self.on_playback_started(created_at=time.time())
        else:
            self.on_clip(segment.text)

    def _on_played(self, segment: Segment) -> None:
        if segment.speech:
            self._last_playout = segment.playout
            self.on_playback_finished(playback_position=segment.pushed_s, interrupted=False)
        else:
            self.on_clip(None)

    def _on_cut(self, segment: Segment) -> None:
        if segment.speech and segment.complete:
            self._report(segment)
        elif not segment.speech and segment.pushed_s:
            self.on_clip(None)

    def _report(self, segment: Segment) -> None:
        """Report to the session that its utterance was interrupted.

        The report is deferred with `call_soon`, because an output that wraps this output must
        process the last frame and the flush of the utterance before it receives the report.
        """
        self._last_playout = segment.playout
        report = functools.partial(
            self.on_playback_finished, playback_position=segment.played_s, interrupted=True
        )
        asyncio.get_running_loop().call_soon(report)
