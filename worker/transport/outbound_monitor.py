"""Outbound connectivity: pause output while the candidate cannot hear it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from worker.aio.timeouts import run_with_timeout
from worker.audio.output import MixedAudioOutput
from worker.transport.outbound_state import (
    PAUSED,
    TRANSITIONS,
    OutboundEvent,
    OutboundState,
    Track,
)

logger = logging.getLogger(__name__)

#: Timeout in seconds for the callbacks `before_return` and `on_person_back`.
_BEFORE_RETURN_S: Final = 4.0
#: Maximum seconds to wait until a candidate who is in the room again subscribes to the audio track.
#: After `_SUBSCRIBE_S` output resumes even without a subscription, as at the beginning of a job.
_SUBSCRIBE_S: Final = 10.0
#: Seconds from a candidate's return until the candidate hears the audio: 0.1 to 0.2 (measured),
#: plus a margin. `_HEARS_AGAIN_S` is an estimate, because the server reports only a track's first
#: subscription.
_HEARS_AGAIN_S: Final = 0.5
#: Seconds after which a disconnected room counts as permanently lost. The SDK gives up after 18 to
#: 19 s if its connections are refused. If nothing answers at all, as on a machine that is cut off,
#: the SDK was still at its first attempt after 110 s (livekit 1.1.21, measured).
GONE_S: Final = 30.0

#: Maximum seconds in each state that has a time limit.
_TIMERS: Final = {
    OutboundState.CANDIDATE_RETURNING: _HEARS_AGAIN_S,
    OutboundState.ROOM_LOST: GONE_S,
    OutboundState.WAITING_FOR_SUBSCRIPTION: _SUBSCRIBE_S,
}
#: The states that are entered without cancelling a running callback (`_preparing`). In these states
#: the room is connected and output continues, so the callback continues too.
_KEEP_PREPARING: Final = frozenset(
    {
        OutboundState.HEARD,
        OutboundState.CANDIDATE_AWAY,
        OutboundState.CANDIDATE_RETURNING,
    }
)


class OutboundMonitor:
    """Pauses output from a loss of the room until the candidate can hear the output again.

    While the server is unavailable, audio would play without a listener. After a restart of the
    server, the track is published again. The candidate hears the new track only after subscribing
    to it, up to 5 s after the room is back (measured), because the candidate has to reconnect as
    well.

    Args:
        line: The audio output to pause.
        is_here: Returns whether the candidate is in the room.
    """

    def __init__(self, line: MixedAudioOutput, is_here: Callable[[], bool]) -> None:
        self._line = line
        self._is_here = is_here
        #: Called when the room disconnects, or when the candidate leaves the connected room.
        self.on_lost: Callable[[], None] | None = None
        #: Called when the room has been disconnected for `GONE_S`, even if the SDK still tries to
        #: reconnect.
        self.on_gone: Callable[[], None] | None = None
        #: Awaited before output resumes, with the seconds for which output was paused.
        self.before_return: Callable[[float], Coroutine[Any, Any, None]] | None = None
        #: Awaited once a candidate who had left hears the audio again, with the seconds of absence.
        self.on_person_back: Callable[[float], Coroutine[Any, Any, None]] | None = None
        self._state = OutboundState.HEARD
        self._track = Track.SAME
        #: Event loop time at which the room was lost or the candidate left.
        self._since = 0.0
        #: Timer that ends the current state of this monitor; None if the state has no time limit.
        self._timer: asyncio.TimerHandle | None = None
        #: Task that awaits `before_return` (state RESUMING) or `on_person_back` (state CONTINUING).
        self._preparing: asyncio.Task[None] | None = None

    @property
    def state(self) -> OutboundState:
        """Whether the candidate hears the output, and what the monitor waits for."""
        return self._state

    @property
    def is_away(self) -> bool:
        """True from a loss of the room until output resumes."""
        return self._state in PAUSED

    def room_lost(self) -> None:
        """Pause output, because the connection to the room is lost."""
        since = self._since if self.is_away else asyncio.get_running_loop().time()
        if self._enter(OutboundEvent.ROOM_LOST):
            self._since, self._track = since, Track.SAME
            self._line.hold()
            if self.on_lost is not None:
                self.on_lost()

    def track_replaced(self) -> None:
        """Record that the track was published again, so only new subscribers hear the track."""
        if self._track is Track.SAME:
            self._track = Track.REPLACED

    def room_back(self) -> None:
        """Record that the room is connected again, and resume output if possible."""
        self._enter(OutboundEvent.ROOM_BACK)
        self._look()

    def subscribed(self) -> None:
        """Record that a participant subscribed to the track, and resume output if possible."""
        if self._track is Track.REPLACED:
            self._track = Track.SUBSCRIBED
        self.room_back()

    def person_left(self) -> None:
        """Record that the candidate has left the room, while the job is still connected to it.

        Output is not paused, because the candidate may never return.
        """
        if self._enter(OutboundEvent.CANDIDATE_LEFT):
            self._since = asyncio.get_running_loop().time()
            if self.on_lost is not None:
                self.on_lost()

    def moved(self) -> None:
        """Handle the arrival or departure of a participant."""
        self._look()
        if self._is_here():
            self._enter(OutboundEvent.CANDIDATE_HERE)

    def close(self) -> None:
        """Cancel the timer and the pending callback, and ignore all later events."""
        self._enter(OutboundEvent.CLOSED)

    def _look(self) -> None:
        """Check whether the candidate can hear the track, and enter the state that matches."""
        # After the track was published again, wait until the candidate counts as present, because
        # the subscription is reported a moment earlier.
        if self._track is not Track.SAME and not self._is_here():
            return
        unsubscribed = self._track is Track.REPLACED
        self._enter(OutboundEvent.UNSUBSCRIBED if unsubscribed else OutboundEvent.AUDIBLE)

    # --- transitions ------------------------------------------------------------------------------

    def _enter(self, event: OutboundEvent) -> bool:
        """Change the state as the table `TRANSITIONS` says.

        Return False if `TRANSITIONS` has no row for the event.
        """
        target = TRANSITIONS.get((self._state, event))
        if target is None:
            return False
        source, self._state = self._state, target
        if target is not source:
            self._set_timer()
        if self._preparing is not None and target not in _KEEP_PREPARING:
            self._preparing.cancel()
            self._preparing = None
        if target is OutboundState.RESUMING:
            self._resume()
        elif target is OutboundState.CONTINUING:
            self._prepare(self.on_person_back)
        return True

    def _set_timer(self) -> None:
        """Cancel the timer of the previous state, and start the timer of the current state."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        after_s = _TIMERS.get(self._state)
        if after_s is not None:
            self._timer = asyncio.get_running_loop().call_later(after_s, self._time_over)

    def _time_over(self) -> None:
        self._timer = None
        if self._state is OutboundState.CANDIDATE_RETURNING:
            stayed, left = OutboundEvent.CANDIDATE_STAYED, OutboundEvent.CANDIDATE_LEFT_AGAIN
            self._enter(stayed if self._is_here() else left)
        elif self._state is OutboundState.WAITING_FOR_SUBSCRIPTION:
            logger.warning(
                "audio output resumes, although the candidate did not subscribe to it again in "
                "time",
                extra={"event": "audio_output_resumed_unsubscribed"},
            )
            self._track = Track.SUBSCRIBED
            self._look()
        elif self._enter(OutboundEvent.ROOM_TIME_OVER) and self.on_gone is not None:
            self.on_gone()

    def _resume(self) -> None:
        away_s = asyncio.get_running_loop().time() - self._since
        logger.info(
            "the candidate receives audio output again",
            extra={"event": "audio_output_received_again", "away_s": round(away_s, 1)},
        )
        self._prepare(self.before_return)

    def _prepare(self, callback: Callable[[float], Coroutine[Any, Any, None]] | None) -> None:
        """Start a task that awaits the callback, if any, and then lets the output resume."""
        if callback is None:
            self._prepared()
            return
        away_s = asyncio.get_running_loop().time() - self._since
        self._preparing = asyncio.create_task(self._await(callback(away_s)), name="return")

    async def _await(self, preparing: Coroutine[Any, Any, None]) -> None:
        try:
            await run_with_timeout(preparing, _BEFORE_RETURN_S)
        except Exception as error:
            logger.warning(
                "repeating the speech that the candidate did not hear failed: %s",
                type(error).__name__,
                extra={"event": "unheard_speech_not_repeated"},
            )
        self._prepared()

    def _prepared(self) -> None:
        self._enter(OutboundEvent.PREPARED)
        self._line.release()
