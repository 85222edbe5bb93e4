"""VAD wrapper that reports failures of the VAD, reopens its stream, and loses no turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from livekit.agents import vad

from states import Condition, Status
from worker import faults
from worker.aio.backoff import ExponentialBackoff
from worker.aio.timeouts import run_with_timeout
from worker.speech.vad.strict import FailingStream, StrictVAD, VADEnded, VADSilent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

logger = logging.getLogger(__name__)

#: Back-off before a VAD stream that has failed is reopened.
_RETRY = ExponentialBackoff(first_s=0.5, longest_s=30.0)
#: If a VAD stream has worked for more than this many seconds, a failure restarts the back-off.
_STEADY_S = 60.0
#: If a VAD stream was opened while the session was running, its events are used only after this
#: many seconds without speech. The change to that stream therefore falls between two turns, and no
#: turn is ended by a stream that has received only half of the turn's audio.
_QUIET_S = 2.0
#: Timeout in seconds for the `on_change` callback.
_TELL_S = 1.0

_START = vad.VADEventType.START_OF_SPEECH
_END = vad.VADEventType.END_OF_SPEECH

#: Errors whose class name becomes the reason in the condition `vad`. For any other error the reason
#: is VADFailed.
_REASONS = (VADSilent, VADEnded)


class SupervisedVAD(StrictVAD):
    """A VAD whose streams never fail: a failure of `inner` is reported to `on_change` instead.

    A stream of `inner` is lost if it raises an error, ends early (`VADEnded`), or receives audio
    for `_SILENT_LOOKS` checks (2 s) without sending an event (`VADSilent`). A lost stream is
    reopened, with backoff. If speech is in progress when a stream is lost, the VAD ends the speech
    with END_OF_SPEECH, because no other component would end the speech. This END_OF_SPEECH is
    emitted only after `on_change` has returned (or has run for `_TELL_S` seconds), so that
    `on_change` can first let another component end the turn. A reopened stream is used, and
    reported as ready, once it has heard no speech for `_QUIET_S` seconds.
    """

    def __init__(self, inner: vad.VAD) -> None:
        super().__init__(inner)
        #: Awaited with the condition `vad` whenever that condition changes.
        self.on_change: Callable[[Condition], Awaitable[None]] | None = None
        #: Called with each event before the session gets it.
        self.on_event: Callable[[vad.VADEvent], None] | None = None
        #: Set while the events of the newest stream are passed on to the session.
        self.delivers = asyncio.Event()
        self._joins_late = False
        self._stream: WatchedStream | None = None

    def join_late(self) -> None:
        """Deliver the next stream's events only after a pause in speech, then set `delivers`."""
        self._joins_late = True
        self.delivers.clear()

    def end_speech(self) -> None:
        """Emit END_OF_SPEECH for listeners that may consider speech to be in progress."""
        if self._stream is not None:
            self._stream.end_speech()

    def stream(self) -> vad.VADStream:
        """Open a stream for one speaker."""
        self._stream = WatchedStream(self, late=self._joins_late)
        return self._stream

    async def tell(self, status: Status, reason: str, message: str = "") -> None:
        """Report the VAD's status. Wait for `on_change`, at most `_TELL_S` seconds."""
        if self.on_change is None:
            return
        condition = Condition(resource="vad", status=status, reason=reason, message=message)

        async def tell(on_change: Callable[[Condition], Awaitable[None]]) -> None:
            await on_change(condition)

        try:
            await run_with_timeout(tell(self.on_change), _TELL_S)
        except Exception as error:  # any error, because the stream must continue
            logger.warning(
                "reporting the VAD's condition failed: %s",
                type(error).__name__,
                extra={"event": "vad_report_failed"},
            )


class WatchedStream(FailingStream):
    """Stream of one speaker that opens a new stream of the VAD after each failure."""

    def __init__(self, owner: SupervisedVAD, *, late: bool) -> None:
        self._owner = owner
        #: True if the VAD's events are passed on to the session.
        self._trusted = not late
        #: True after the VAD was reported as lost, until it is reported as ready.
        self._lost = False
        #: True if a START_OF_SPEECH was passed on and its END_OF_SPEECH was not passed on yet.
        self._open = False
        #: While the VAD's events are not passed on: True if the VAD hears speech.
        self._hears_speech = False
        #: While the VAD's events are not passed on: event loop time since which the VAD has heard
        #: no speech; None while the VAD hears speech, and before its first event.
        self._quiet_since: float | None = None
        self._trusted_at = float("-inf")
        self._newest = vad.VADEvent(
            type=_END, samples_index=0, timestamp=0.0, speech_duration=0.0, silence_duration=0.0
        )
        super().__init__(owner)

    def end_speech(self) -> None:
        """Emit END_OF_SPEECH."""
        self._open = False
        if not self._event_ch.closed:
            end = replace(
                self._newest, type=_END, silence_duration=0.0, inference_duration=0.0, frames=[]
            )
            self._tell_event(end)
            self._event_ch.send_nowait(end)

    def _tell_event(self, event: vad.VADEvent) -> None:
        if self._owner.on_event is not None:
            self._owner.on_event(event)

    async def _listen_on(self) -> None:
        """Listen until the audio ends, and open a new stream after each failure."""
        pauses = _RETRY.delays()
        if self._trusted:
            self._owner.delivers.set()
        while True:
            self._hears_speech, self._quiet_since = False, None
            try:
                await self._listen()
            except Exception as error:  # any error, because the next stream may work
                if self._trusted and self._worked_for() > _STEADY_S:
                    pauses = _RETRY.delays()
                await self._lose(error)
            if self._over:
                return
            await asyncio.sleep(next(pauses))

    def _events(self, ear: vad.VADStream) -> AsyncIterator[vad.VADEvent]:
        return faults.through("vad", ear)

    async def _take(self, event: vad.VADEvent) -> None:
        if self._trusted:
            self._pass_on(event)
        elif self._is_quiet(event):
            await self._trust()

    def _flushed(self) -> None:
        self._open = False

    def _worked_for(self) -> float:
        return asyncio.get_running_loop().time() - self._trusted_at

    def _pass_on(self, event: vad.VADEvent) -> None:
        self._newest = event
        if event.type is not vad.VADEventType.INFERENCE_DONE:
            self._open = event.type is _START
        self._tell_event(event)
        self._event_ch.send_nowait(event)

    def _is_quiet(self, event: vad.VADEvent) -> bool:
        """Return whether a stream that is not in use yet has heard no speech for `_QUIET_S`."""
        now = asyncio.get_running_loop().time()
        if event.type is not vad.VADEventType.INFERENCE_DONE:
            self._hears_speech = event.type is _START
        if self._hears_speech:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        return self._quiet_since is not None and now - self._quiet_since >= _QUIET_S

    async def _trust(self) -> None:
        self._trusted = True
        self._trusted_at = asyncio.get_running_loop().time()
        if self._lost:
            self._lost = False
            logger.info("the VAD works again", extra={"event": "vad_recovered"})
            await self._owner.tell(Status.READY, "Recovered")
            # While the VAD was lost, another component ended the turns, and may have left a turn
            # open.
            self.end_speech()
        self._owner.delivers.set()

    async def _lose(self, error: Exception) -> None:
        self._trusted = False
        self._owner.delivers.clear()
        kind = type(error).__name__
        if not self._lost:
            self._lost = True
            reason = kind if isinstance(error, _REASONS) else "VADFailed"
            logger.warning("the VAD failed: %s", kind, extra={"event": "vad_failed"})
            message = (
                str(error.__doc__) if isinstance(error, _REASONS) else f"the VAD raised {kind}"
            )
            await self._owner.tell(Status.LOST, reason, message)
        if self._open:
            self.end_speech()
