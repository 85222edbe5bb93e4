"""One provider's open stream, as a chain listens by it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from livekit import rtc
from livekit.agents import stt
from livekit.agents.types import APIConnectOptions

from worker.speech.speech_watch import SpeechWatch

#: Seconds to connect: somebody may be waiting for an answer to what they said. The next provider
#: is asked at once, so no provider tries again by itself.
CONNECT = APIConnectOptions(max_retry=0, timeout=2.0)

#: Seconds of work for each second of audio that a provider is given all at once.
_WORK_PER_SECOND = 0.1


class Ear:
    """A stream of one provider, which was first given what nobody has understood so far.

    Raises what the provider's `stream` raises. `late` says that something was owed already when
    it was opened: a provider that finds no text in it then was asked twice, or is the second.
    """

    def __init__(
        self, name: str, engine: stt.STT[Any], watch: SpeechWatch, *, heard_at: float
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
        # Word times count from the moment at which the oldest of the audio was heard.
        self.stream.start_time_offset = max(0.0, heard_at - self._backlog_s)
        for frame in watch.buffer.frames():
            self.push(frame)

    @property
    def gave_text(self) -> bool:
        """Whether any text has come of it."""
        return self.text_at >= self.opened_at

    def push(self, frame: rtc.AudioFrame) -> None:
        """Give it a frame. A stream that has ended takes none: its own error tells why."""
        with contextlib.suppress(RuntimeError):
            self.stream.push_frame(frame)

    def flush(self) -> None:
        """Pass a flush on."""
        with contextlib.suppress(RuntimeError):
            self.stream.flush()

    def end_input(self) -> None:
        """Say that no more audio comes."""
        with contextlib.suppress(RuntimeError):
            self.stream.end_input()

    def covers(self, final: stt.SpeechEvent) -> float:
        """The position until which a final text covers the audio."""
        end_s = final.alternatives[0].end_time
        if end_s <= 0:
            return self._watch.buffer.end_s
        at_s = self._first_s + end_s - self.stream.start_time_offset
        return min(max(at_s, self._first_s), self._watch.buffer.end_s)

    def patience_ends(self, patience_s: float) -> float | None:
        """The loop's time at which it should have given text; None while it owes none.

        One without interim results owes nothing before the end of the speech.
        """
        watch = self._watch
        if not watch.owed:
            return None
        interims = self.engine.capabilities.interim_results
        if watch.speaking and not interims:
            return None
        if not interims and self.late and not self.gave_text:
            # Nothing is gained by haste with whoever is asked after another: it may only be slow.
            patience_s *= 2
        # Who gives no text before the end has all of it to work on then.
        work_s = _WORK_PER_SECOND * (0.0 if interims else watch.owed_s)
        caught_up_at = self.opened_at + _WORK_PER_SECOND * self._backlog_s
        # Speech that begins anew gives it more time, once: somebody who pauses often would
        # hide a deaf provider otherwise.
        anew_at = min(watch.began_at - patience_s / 2, watch.owed_since + patience_s)
        since = [watch.owed_since, anew_at, caught_up_at, self.text_at]
        # Words that were on their way become final only once the speech is over.
        if not watch.speaking and (not interims or self.text_at >= watch.began_at):
            since.append(watch.ended_at)
        return max(since) + patience_s + work_s
