"""One provider's open speech-to-text stream, as the fallback chain uses it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from livekit import rtc
from livekit.agents import stt
from livekit.agents.types import APIConnectOptions

from worker.aio.timeouts import run_with_timeout
from worker.speech.stt.pending_speech import PendingSpeech

#: Connect options of every provider, with the timeout in seconds. The timeout is short, because the
#: candidate may be waiting for a reply. There are no retries, because the next provider is asked at
#: once.
CONNECT = APIConnectOptions(max_retry=0, timeout=2.0)

#: Timeout in seconds for closing a provider's stream. A plugin takes 10 s to close a half-open
#: connection.
_CLOSE_S = 5.0
#: Seconds that a provider may take to process one second of audio, if it receives the audio all at
#: once.
_WORK_PER_SECOND = 0.1


class ProviderStream:
    """STT stream of one provider. The provider first receives the audio that has no transcript yet.

    The constructor raises the errors of the provider's `stream` method. `late` is True if the
    stream was opened for speech that had already begun and had no final transcript yet. A late
    stream receives speech that another provider, or an earlier stream of this provider, has already
    received.
    """

    def __init__(
        self, name: str, engine: stt.STT[Any], watch: PendingSpeech, *, heard_at: float
    ) -> None:
        self.name = name
        self.engine = engine
        self.late = watch.owed
        self.opened_at = asyncio.get_running_loop().time()
        self.text_at = float("-inf")
        self.stream = engine.stream(conn_options=CONNECT)
        self._watch = watch
        self._first_s = watch.buffer.start_s
        self._backlog_s = watch.buffer.end_s - self._first_s
        # The provider's word times count from the moment at which the oldest of the kept audio was
        # received.
        self.stream.start_time_offset = max(0.0, heard_at - self._backlog_s)
        for frame in watch.buffer.frames():
            self.push(frame)

    @property
    def gave_text(self) -> bool:
        """True if the stream has given text."""
        return self.text_at >= self.opened_at

    def push(self, frame: rtc.AudioFrame) -> None:
        """Send a frame to the provider.

        Does nothing if the stream has ended, because the task that reads the stream reports the end
        or the error.
        """
        with contextlib.suppress(RuntimeError):
            self.stream.push_frame(frame)

    def flush(self) -> None:
        """Forward a flush of the input."""
        with contextlib.suppress(RuntimeError):
            self.stream.flush()

    def end_input(self) -> None:
        """Signal that no more audio follows."""
        with contextlib.suppress(RuntimeError):
            self.stream.end_input()

    def covers(self, final: stt.SpeechEvent) -> float:
        """Return the position up to which a final transcript covers the audio."""
        end_s = final.alternatives[0].end_time
        if not end_s > 0:  # the provider reports no times, or NaN
            return self._watch.buffer.end_s
        at_s = self._first_s + end_s - self.stream.start_time_offset
        return min(max(at_s, self._first_s), self._watch.buffer.end_s)

    def patience_ends(self, patience_s: float) -> float | None:
        """Return the event loop time by which text is due; None if no text is due.

        From a provider without interim results, no text is due before the end of the speech.
        """
        watch = self._watch
        if not watch.owed:
            return None
        interims = self.engine.capabilities.interim_results
        if watch.speaking and not interims:
            return None
        if not interims and self.late and not self.gave_text:
            # Double the time for a provider that is asked after another one, because it may just be
            # slow.
            patience_s *= 2
        # A provider without interim results has to process all of the audio after the speech has
        # ended.
        work_s = _WORK_PER_SECOND * (0.0 if interims else watch.owed_s)
        caught_up_at = self.opened_at + _WORK_PER_SECOND * self._backlog_s
        # New speech gives the provider more time, but only once. Otherwise a candidate who pauses
        # often would hide a provider that gives no transcript.
        anew_at = min(watch.began_at - patience_s / 2, watch.owed_since + patience_s)
        since = [watch.owed_since, anew_at, caught_up_at, self.text_at]
        # Words that the provider is processing become final only after the end of the speech.
        if not watch.speaking and (not interims or self.text_at >= watch.began_at):
            since.append(watch.ended_at)
        return max(since) + patience_s + work_s

    def close_in_background(self, closing: set[asyncio.Task[None]]) -> None:
        """Close the stream in a background task, which `closing` contains until the task ends."""

        async def close() -> None:
            with contextlib.suppress(Exception):  # the stream is no longer used
                await run_with_timeout(self.stream.aclose(), _CLOSE_S)

        task = asyncio.create_task(close(), name=f"close-{self.name}")
        closing.add(task)
        task.add_done_callback(closing.discard)
