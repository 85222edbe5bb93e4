"""Track speech that no final transcript covers yet, and keep its audio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from livekit import rtc
from livekit.agents import vad

from worker.aio.tasks import cancel_and_wait
from worker.speech.vad.energy import EnergyVAD

#: Seconds of audio that are kept during silence, because a VAD may report speech that late after it
#: has begun.
_PRE_ROLL_S = 0.9
#: Maximum seconds of audio that are kept. If speech stays without a transcript for longer, its
#: oldest audio is dropped.
_LONGEST_S = 60.0
#: Seconds by which speech may begin before the start that the VAD reports.
_MARGIN_S = 0.5
#: Seconds by which the end of the last word, as a provider reports it, may precede the end of the
#: speech, as the VAD reports it.
_SLACK_S = 0.7


class ReplayBuffer:
    """The newest audio of a stream. A position is the seconds of audio since the stream began."""

    def __init__(self, longest_s: float = _LONGEST_S) -> None:
        self._longest_s = longest_s
        self._frames: deque[tuple[float, rtc.AudioFrame]] = deque()
        #: Position of the end of the newest frame, in seconds since the stream began.
        self.end_s = 0.0

    @property
    def start_s(self) -> float:
        """Position of the oldest sample that is kept."""
        return self._frames[0][0] if self._frames else self.end_s

    def push(self, frame: rtc.AudioFrame) -> None:
        """Add a frame, and drop the oldest frames if the buffer exceeds its longest duration."""
        self._frames.append((self.end_s, frame))
        self.end_s += frame.duration
        self.forget(self.end_s - self._longest_s)

    def forget(self, until_s: float) -> None:
        """Drop the frames that end before the position `until_s`."""
        while self._frames and self._frames[0][0] + self._frames[0][1].duration <= until_s + 1e-6:
            self._frames.popleft()

    def frames(self) -> Sequence[rtc.AudioFrame]:
        """Return all kept frames, oldest first."""
        return [frame for _, frame in self._frames]


class PendingSpeech:
    """Detects speech with its own VAD stream, and keeps the audio that has no transcript yet.

    Speech that no final transcript covers yet is called "owed". Without a VAD, or after a failure
    of the VAD, `EnergyVAD` detects speech. `on_change` is called whenever speech begins or ends.
    Times are event loop times. Positions are seconds of audio since the stream began.
    """

    def __init__(self, detector: vad.VAD | None, on_change: Callable[[], None]) -> None:
        self.buffer = ReplayBuffer()
        self.speaking = False
        self._detector = detector or EnergyVAD()
        self._on_change = on_change
        self._stream: vad.VADStream | None = None
        #: Position, in seconds of audio, of the first sample that the VAD stream received.
        self._stream_start_s = 0.0
        self._watching: asyncio.Task[None] | None = None
        # Of the newest speech: the positions of its start and end (`_began_s`, `_ended_s`), and
        # the times at which the VAD reported its start and end (`began_at`, `ended_at`).
        # `owed_since` is the time since which there has always been speech without a final
        # transcript. `_owed_from_s` is the position at which that speech began.
        self._began_s = self._ended_s = self._owed_from_s = 0.0
        self._understood_s = 0.0
        self._over = False
        self.began_at = self.owed_since = 0.0
        self.ended_at = float("-inf")

    @property
    def owed(self) -> bool:
        """True if speech, finished or in progress, is not covered by a final transcript."""
        return self.speaking or self.due_s > self._understood_s

    @property
    def due_s(self) -> float:
        """Position that a final transcript must reach to cover the speech so far."""
        began_s, length_s = self.stretch
        return began_s + length_s - min(_SLACK_S, length_s / 2)

    @property
    def understood_s(self) -> float:
        """Position up to which final transcripts cover the audio."""
        return self._understood_s

    @property
    def untranscribed_s(self) -> float:
        """Seconds from the start of untranscribed speech to the end of the newest speech."""
        began_s, length_s = self.stretch
        return began_s + length_s - max(self._owed_from_s, self._understood_s)

    @property
    def owed_s(self) -> float:
        """Seconds of kept audio that may contain untranscribed speech; 0 if `owed` is False."""
        return self.buffer.end_s - self.buffer.start_s if self.owed else 0.0

    @property
    def stretch(self) -> tuple[float, float]:
        """The newest stretch of speech: the position of its start, and its length in seconds."""
        end_s = self.buffer.end_s if self.speaking else self._ended_s
        return self._began_s, end_s - self._began_s

    def push(self, frame: rtc.AudioFrame) -> None:
        """Process a received frame."""
        if self._stream is None:
            self._stream_start_s = self.buffer.end_s
            self._stream = self._detector.stream()
            self._watching = asyncio.create_task(self._watch(self._stream), name="speech-watch")
        self.buffer.push(frame)
        try:
            self._stream.push_frame(frame)
        except RuntimeError:
            # The VAD's stream has ended before the audio, so the VAD has failed.
            self._give_up_on(self._stream)

    def understood(self, until_s: float) -> None:
        """Record that a final transcript covers everything before the position `until_s`."""
        self._understood_s = max(self._understood_s, until_s)
        self.buffer.forget(until_s)

    def forgive(self, asked_at: float) -> None:
        """Record that the audio so far contains no words, so that no transcript is expected.

        Speech that began after `asked_at`, the time at which the last provider was asked, still
        needs a transcript.
        """
        if self.began_at > asked_at:
            self.understood(self._began_s - _MARGIN_S)
            self.owed_since, self._owed_from_s = self.began_at, self._began_s
        else:
            self.understood(self.buffer.end_s)
            self.owed_since = self.began_at = asyncio.get_running_loop().time()

    def end_of_audio(self) -> None:
        """Record that the audio has ended.

        Speech in progress then counts as ended. Speech that the VAD reports later counts as ended
        at once.
        """
        self._over = True
        if self.speaking:
            self._end(self.buffer.end_s)

    async def aclose(self) -> None:
        """Stop detecting speech, and close the VAD's stream."""
        if self._watching is not None:
            await cancel_and_wait(self._watching)
        if self._stream is not None:
            await self._stream.aclose()

    async def _watch(self, stream: vad.VADStream) -> None:
        try:
            async for event in stream:
                self._take(event)
        except Exception:  # a model may raise any error; speech must still be detected
            self._give_up_on(stream)
        finally:
            await stream.aclose()

    def _give_up_on(self, stream: vad.VADStream) -> None:
        if self._stream is not stream:
            return
        self._detector = EnergyVAD()
        self._stream = None
        if self.speaking:
            self._end(self.buffer.end_s)

    def _take(self, event: vad.VADEvent) -> None:
        now_s = self._stream_start_s + event.timestamp
        if event.type is vad.VADEventType.START_OF_SPEECH:
            was_owed, self.speaking = self.owed, True
            self._began_s = max(0.0, now_s - event.speech_duration)
            self.began_at = asyncio.get_running_loop().time()
            if not was_owed:
                self.owed_since, self._owed_from_s = self.began_at, self._began_s
            self._on_change()
            if self._over:
                self._end(self.buffer.end_s)
        elif event.type is vad.VADEventType.END_OF_SPEECH:
            self._end(now_s - event.silence_duration)
        elif not self.owed:
            # Use the VAD's own position, because the VAD may lag behind the pushed audio.
            self.buffer.forget(now_s - _PRE_ROLL_S)

    def _end(self, at_s: float) -> None:
        self.speaking = False
        self._ended_s = at_s
        self.ended_at = asyncio.get_running_loop().time()
        self._on_change()
