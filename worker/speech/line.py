"""The one audio line to the candidate, which the session's speech and our clips share."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents.voice import io

from worker.speech.feeder import Feeder
from worker.speech.frames import frame_of, resampled
from worker.speech.segment import Playout, Segment
from worker.speech.sinks import RtcSink, Sink

if TYPE_CHECKING:
    from worker.speech.clip import Clip


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
    for it without limit). `subscribed` tells whether there ever was a listener, and `heard_at`
    when somebody could last hear something.

    To be made on a running event loop.
    """

    def __init__(self, sink: Sink | None = None, *, subscribe_timeout: float = 10.0) -> None:
        self._sink: Sink = sink or RtcSink()
        super().__init__(
            label="Line",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=self._sink.sample_rate,
        )
        self._feeder = Feeder(
            self._sink,
            subscribe_timeout=subscribe_timeout,
            on_begun=self._on_begun,
            on_played=self._on_played,
            on_cut=self._on_cut,
        )
        # The utterance that the session is capturing, in the feeder unless it is over.
        self._speech: Segment | None = None
        self._last_playout: Playout | None = None
        self._silent = False
        self._closed = False
        self._publishing = asyncio.Lock()

    @property
    def sink(self) -> Sink:
        """Where the audio goes."""
        return self._sink

    async def publish(self, room: rtc.Room | None = None) -> None:
        """Open the line in a connected room (or without one, as the sink has it) and begin to
        play what is queued. Does nothing the second time.

        Raises:
            ValueError: the sink needs a room.
            PublishTrackError: the room refused the track.
        """
        async with self._publishing:
            if self._feeder.started or self._closed:
                return
            await self._sink.open(room)
            self._feeder.start()

    # Who hears it.

    @property
    def subscribed(self) -> bool:
        """Whether somebody has subscribed to the line since it was published."""
        return self._feeder.subscribed

    @property
    def listened(self) -> bool:
        """Whether what is played now can be heard: somebody has subscribed, and it is not held."""
        return self._feeder.listened

    def heard_at(self, *, speech: bool = False) -> float | None:
        """The loop's time at which somebody could last hear something; None where nobody could.

        It counts what was played out, not what was meant to be, and digital silence is no sound.
        With `speech`, clips are none either.
        """
        return self._feeder.meter.heard_at(speech=speech)

    def mark(self) -> None:
        """Look for the first sound from now on."""
        self._feeder.meter.mark()

    @property
    def first_heard_at(self) -> float | None:
        """The loop's time at which somebody could first hear something since `mark`; None where
        nobody could."""
        return self._feeder.meter.first_heard_at

    async def wait_for_subscriber(self) -> bool:
        """Wait for a listener, at most `subscribe_timeout` seconds; returns whether there is one.

        Raises:
            RuntimeError: the line is not published.
        """
        return await self._feeder.wait_for_subscriber()

    @property
    def last_playout(self) -> Playout | None:
        """How much was played of the last utterance that is over; None where there was none."""
        return self._last_playout

    def hold(self) -> None:
        """Stop where it is: the room is away, and nobody hears anything until `release`.

        Unlike `pause` this is for clips as well, and unlike `silence` nothing is lost.
        """
        self._feeder.hold()

    def release(self) -> None:
        """Go on where `hold` stopped."""
        self._feeder.release()

    # Clips.

    async def play(self, clip: Clip) -> float:
        """Play a clip when its turn has come, and return once it was played out.

        Returns the seconds of it that were played: all of it, or less where `silence` or
        `aclose` cut it off, 0 where the line was silent already. Cancelling the caller cuts it.
        """
        if self._silent or self._closed:
            return 0.0
        segment = self._segment_of(clip)
        self._feeder.append(segment)
        return await self._played(segment)

    async def interject(self, clip: Clip) -> float:
        """Play a clip at once if it is quiet on the line, also in the middle of an utterance that
        has stalled, which then goes on behind it.

        Returns as `play` does, and 0 where it is not quiet, or where nobody would hear it.
        """
        if self._silent or self._closed or not self._feeder.listened:
            return 0.0
        segment = self._segment_of(clip)
        if not self._feeder.interject(segment):
            return 0.0
        return await self._played(segment)

    def play_aside(self, clip: Clip, *, after_s: float) -> bool:
        """Play a clip from a thread of its own, while the event loop may be blocked.

        It is played at once, if nothing was for `after_s` seconds, somebody listens, and the
        line is neither silenced nor paused. Returns whether it is played.
        """
        if self._silent or self._closed:
            return False
        pcm = resampled(clip.pcm, clip.sample_rate, self._sink.sample_rate)
        return self._feeder.play_aside(frame_of(pcm, self._sink.sample_rate), after_s=after_s)

    def _segment_of(self, clip: Clip) -> Segment:
        segment = Segment(sample_rate=self._sink.sample_rate, speech=False)
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
        """Return once all that was queued has been played; an utterance must be flushed first."""
        await self._feeder.drain()

    async def sentence_over(self, *, longest_s: float) -> bool:
        """Return where the session's utterance may be cut off: at its end if that is within
        `longest_s` seconds, else at the quietest pause within them. At once where nothing is said.

        Returns whether it was heard to its end.
        """
        return await self._feeder.sentence_over(longest_s=longest_s)

    def silence(self) -> None:
        """Cut off what is played and queued, at once, and feed nothing more until `unsilence`.

        The last audible frame is about 50 ms later (measured). What the session says meanwhile
        counts as interrupted at 0 seconds; clips return 0.
        """
        self._silent = True
        self._cut_all()
        self._feeder.clear()

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
        self._cut_all()
        await self._feeder.aclose()
        await self._sink.aclose()

    def _cut_all(self) -> None:
        for segment in list(self._feeder.segments):
            self._feeder.cut(segment)

    # What AgentSession calls.

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take audio of the session's utterance; never waits, whatever is being played."""
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
        """End the utterance: it is finished once it was played out."""
        super().flush()
        segment, self._speech = self._speech, None
        if segment is None:
            return
        segment.end()
        if segment.over:
            self._report(segment)
        self._feeder.wake()

    def clear_buffer(self) -> None:
        """Interrupt the session's speech; clips go on."""
        for segment in [segment for segment in self._feeder.segments if segment.speech]:
            self._feeder.cut(segment)

    @property
    def paused(self) -> bool:
        """Whether the session has paused its speech."""
        return self._feeder.paused

    def pause(self) -> None:
        """Stop the session's speech where it is; nothing of it is lost.

        A clip that is being played goes on, one behind a paused utterance waits for it.
        """
        super().pause()
        self._feeder.pause()

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        super().resume()
        self._feeder.resume()

    # What the feeder tells.

    def _on_begun(self, segment: Segment) -> None:
        if segment.speech:
            self.on_playback_started(created_at=time.time())

    def _on_played(self, segment: Segment) -> None:
        if segment.speech:
            self._last_playout = segment.playout
            self.on_playback_finished(playback_position=segment.pushed_s, interrupted=False)

    def _on_cut(self, segment: Segment) -> None:
        if segment.speech and segment.complete:
            self._report(segment)

    def _report(self, segment: Segment) -> None:
        """Tell the session that its utterance was interrupted.

        Later than the call that made it so, for the outputs above this one count an utterance,
        and end it, only after this one has.
        """
        self._last_playout = segment.playout
        report = functools.partial(
            self.on_playback_finished, playback_position=segment.played_s, interrupted=True
        )
        asyncio.get_running_loop().call_soon(report)
