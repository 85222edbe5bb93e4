"""Inbound connectivity: pause output while no audio of the candidate arrives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from worker.aio.timeouts import run_with_timeout
from worker.transport.inbound_state import (
    INTERRUPTED,
    PAUSED,
    TRANSITIONS,
    InboundEvent,
    InboundState,
)

logger = logging.getLogger(__name__)

#: Seconds between two checks for packets. The constants `..._LOOKS` count checks instead of
#: seconds, because packets that were not seen while the event loop was blocked prove no fault of
#: the network.
_LOOK_S: Final = 0.15
#: Consecutive checks without a packet after which the current speech counts as cut off. In silence
#: a client sends one packet every 0.4 s (Opus DTX), and the VAD ends speech after some 0.75 s
#: without packets.
_CUT_LOOKS: Final = 3
#: While the candidate speaks: consecutive checks without a packet after which output is paused.
_HELD_LOOKS: Final = 7
#: While the candidate is silent: consecutive checks without a packet after which output is paused.
#: This number is higher than `_HELD_LOOKS`, because a client sends few packets in silence, and a
#: poor network may lose one or two of them.
_HELD_IN_SILENCE_LOOKS: Final = 14
#: Maximum seconds for which output is paused. Output resumes after `_LONGEST_S` even without
#: packets, because the candidate may still hear the interviewer.
_LONGEST_S: Final = 10.0
#: Seconds without packets after which an answer counts as interrupted. A shorter gap does not end
#: the answer, and the audio of the gap may arrive later, because a server that hung delivers its
#: buffered audio (measured).
_HICCUP_S: Final = 2.0
#: Consecutive checks for which the candidate must be quiet before output resumes. Audio that a hung
#: server has buffered arrives all at once. Buffered audio is played at the speed of speech, and the
#: transcript takes another moment.
_QUIET_LOOKS: Final = 7
#: Maximum seconds to wait, before output resumes, until the candidate is quiet.
_SETTLES_S: Final = 4.0
#: Timeout in seconds for the `on_back` callback. Output resumes when the callback has ended.
_BEFORE_RETURN_S: Final = 4.0


class HeldLine(Protocol):
    """The part of the audio output that `InboundMonitor` uses."""

    def hold(self) -> None:
        """Pause playback at its current position."""

    def release(self) -> None:
        """Resume playback from the position at which it was paused."""


class InboundMonitor:
    """Detects that expected packets of the candidate's microphone do not arrive.

    The SDK reports a hung server or a failed network only after some 14 s (by a ping), and a
    candidate's lost connection after some 20 s. Before the SDK reports the failure, WebRTC fills
    the missing audio with silence (measured), so a partial answer would count as a complete answer,
    and the reply would not reach the candidate.

    Args:
        packets: Returns the number of packets received so far; None if no packets are expected, for
            example from a microphone that is muted or not published.
        line: The audio output to pause.
        is_here: Returns whether the candidate is in the room.
        speaks: Returns whether the candidate is speaking.
        room_is_away: Returns whether the room is disconnected. `OutboundMonitor` handles a
            disconnected room.
        record: Called with the seconds without packets, if output was paused.
    """

    def __init__(
        self,
        packets: Callable[[], Awaitable[int | None]],
        line: HeldLine,
        *,
        is_here: Callable[[], bool],
        speaks: Callable[[], bool],
        room_is_away: Callable[[], bool],
        record: Callable[[float], None],
    ) -> None:
        self._packets = packets
        self._line = line
        self._is_here = is_here
        self._speaks = speaks
        self._room_is_away = room_is_away
        self._record = record
        #: Called after `_CUT_LOOKS` consecutive checks without a packet.
        self.on_lost: Callable[[], None] | None = None
        #: Awaited after a gap in the packets, before paused output resumes. The argument is the
        #: length of the gap in seconds, or 0 if the gap was shorter than `_HICCUP_S`.
        self.on_back: Callable[[float], Coroutine[Any, Any, None]] | None = None
        self._count: int | None = None
        self._looks = 0
        self._came_at = 0.0
        self._held_looks = _HELD_LOOKS
        self._state = InboundState.RECEIVING

    @property
    def state(self) -> InboundState:
        """Whether packets of the candidate arrive."""
        return self._state

    @property
    def _held(self) -> bool:
        """True while output is paused."""
        return self._state in PAUSED

    def _enter(self, event: InboundEvent) -> None:
        self._state = TRANSITIONS.get((self._state, event), self._state)

    async def run(self) -> None:
        """Check for missing packets until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(_LOOK_S)
        finally:
            if self._held and not self._room_is_away():
                self._line.release()  # release the output, so that the closing message can be heard

    async def _look(self) -> None:
        count = await self._packets()
        now = asyncio.get_running_loop().time()
        if self._room_is_away():
            # `OutboundMonitor` handles the candidate and the output when the room returns.
            self._forget(count, now)
        elif count is None or count != self._count:
            if self._state in INTERRUPTED:
                await self._back(now - self._came_at)
            self._forget(count, asyncio.get_running_loop().time())
        else:
            self._looks += 1
            await self._miss(now - self._came_at)

    def _forget(self, count: int | None, now: float) -> None:
        self._count, self._came_at, self._looks = count, now, 0
        self._enter(InboundEvent.BEGAN_AGAIN)

    async def _miss(self, gone_s: float) -> None:
        if self._looks == _CUT_LOOKS:
            self._enter(InboundEvent.CUT_OFF)
            self._held_looks = _HELD_LOOKS if self._speaks() else _HELD_IN_SILENCE_LOOKS
            if self.on_lost is not None:
                self.on_lost()
        if self._looks == self._held_looks:
            logger.warning(
                "audio output is paused, because no packets arrive from the candidate's microphone",
                extra={"event": "audio_output_paused"},
            )
            self._enter(InboundEvent.PAUSE_DUE)
            self._line.hold()
        if self._held and gone_s >= _LONGEST_S:
            self._enter(InboundEvent.TIME_OVER)
            await self._back(gone_s)

    async def _back(self, gone_s: float) -> None:
        if self._held:
            self._record(gone_s)
        if gone_s >= _HICCUP_S:
            await self._settled()
        if self._room_is_away():
            return
        if self._held:
            logger.info(
                "audio output to the candidate resumes",
                extra={"event": "audio_output_resumed", "away_s": round(gone_s, 1)},
            )
        try:
            # `OutboundMonitor` handles the return of a candidate who has left.
            if self.on_back is not None and self._is_here():
                heard_none_s = gone_s if gone_s >= _HICCUP_S else 0.0
                await run_with_timeout(self.on_back(heard_none_s), _BEFORE_RETURN_S)
        except Exception as error:
            logger.warning(
                "repeating the speech that the candidate did not hear failed: %s",
                type(error).__name__,
                extra={"event": "unheard_speech_not_repeated"},
            )
        if self._held and not self._room_is_away():
            self._line.release()
        self._enter(InboundEvent.RESUMED)

    async def _settled(self) -> None:
        """Wait until the candidate is quiet, at most `_SETTLES_S` seconds."""
        quiet_looks = 0
        for _ in range(round(_SETTLES_S / _LOOK_S)):
            quiet_looks = 0 if self._speaks() else quiet_looks + 1
            if quiet_looks > _QUIET_LOOKS or self._room_is_away():
                return
            await asyncio.sleep(_LOOK_S)
