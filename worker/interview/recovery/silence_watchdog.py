"""Watchdog that fills the silence in the interviewer's turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from worker.job.floor import TurnFloor

#: Minimum seconds between two checks. Waits below the resolution of the clock would keep the event
#: loop busy.
_LEAST_WAIT_S: Final = 0.01


class Heard(Protocol):
    """The part of the audio output that the watchdog uses."""

    @property
    def listened(self) -> bool:
        """True if the candidate can hear audio that is played now."""

    @property
    def subscribed(self) -> bool:
        """True if a participant has ever subscribed to the audio."""

    @property
    def paused(self) -> bool:
        """True if the session has paused the interviewer's speech."""

    def heard_at(self, *, speech: bool = False) -> float | None:
        """Return the event-loop time of the last sound that was heard; None if there was none.

        With `speech`, only speech counts as sound.
        """


class Place(Protocol):
    """The part of the transport that the watchdog uses."""

    @property
    def candidate_is_here(self) -> bool:
        """True if the candidate is present."""

    async def candidate_moved(self) -> None:
        """Wait until a participant joins or leaves."""


class Ladder(Protocol):
    """Recovery from a stuck turn, in steps."""

    @property
    def spent(self) -> bool:
        """True once every step was taken without success."""

    def due_in(self, silent_s: float) -> float:
        """Return the seconds until the next step is due; infinite if no step is left.

        `silent_s` is the number of seconds without speech so far.
        """

    async def climb(self, silent_s: float) -> None:
        """Take the next recovery step, after `silent_s` seconds without speech. Never raises."""

    async def fill(self) -> None:
        """Play a clip to show the candidate that the interview continues. Never raises."""


class SilenceWatchdog:
    """Watchdog that plays filler clips and recovers stuck turns while the interviewer is silent.

    A filler clip is due after `filler_s` seconds without any sound. A recovery step is due after a
    number of seconds without speech of the interviewer. Only audio that was played to a listening
    candidate ends a silence. Time in which the candidate is absent or speaking does not count as
    silence. While the room is disconnected, the watchdog does nothing, because the candidate would
    not hear a clip.
    """

    def __init__(
        self,
        *,
        line: Heard,
        place: Place,
        floor: TurnFloor,
        ladder: Ladder,
        candidate_speaks: Callable[[], bool],
        filler_s: float,
    ) -> None:
        self._line = line
        self._place = place
        self._floor = floor
        self._ladder = ladder
        self._candidate_speaks = candidate_speaks
        self._filler_s = filler_s
        # The number of the turn in which the last filler clip was played, and the event-loop time
        # at which the clip ended.
        self._filled_turn = 0
        self._filled_at = 0.0

    async def run(self) -> None:
        """Watch until no recovery step is left."""
        while not self._ladder.spent:
            await self._floor.taken()
            if not self._place.candidate_is_here:
                await self._place.candidate_moved()
                self._floor.begin_anew()
            elif self._candidate_speaks() or self._is_away():
                self._floor.begin_anew()
                await asyncio.sleep(self._filler_s)
            else:
                await self._look()

    def _is_away(self) -> bool:
        return self._line.subscribed and not self._line.listened

    async def _look(self) -> None:
        """Take a recovery step or play a filler clip, whichever is due; if neither is due, wait."""
        silent_s = self.silent_s(speech=True)
        due_s = self._ladder.due_in(silent_s)
        if due_s <= 0:
            await self._ladder.climb(silent_s)
        elif (filler_s := self._filler_in()) <= 0:
            self._filled_turn = self._floor.turn
            await self._ladder.fill()
            self._filled_at = asyncio.get_running_loop().time()
        else:
            # During this wait, no recovery step and no filler clip can become due.
            await asyncio.sleep(max(_LEAST_WAIT_S, min(due_s, filler_s, self._filler_s)))

    def silent_s(self, *, speech: bool = False) -> float:
        """Return the seconds of silence in the interviewer's turn.

        With `speech`, return the seconds without speech, during which other sounds may be heard.
        """
        since = max(self._floor.quiet_from, self._line.heard_at(speech=speech) or 0.0)
        return asyncio.get_running_loop().time() - since

    def _filler_in(self) -> float:
        """Return the seconds until the next filler clip.

        The first clip of a turn is due after `filler_s` seconds of silence, and each later clip
        after twice that time.
        """
        if self._line.paused:
            # Play no clip while the session may resume its speech at any moment.
            return self._filler_s
        if self._filled_turn != self._floor.turn:
            return self._filler_s - self.silent_s()
        unfilled_s = asyncio.get_running_loop().time() - self._filled_at
        return 2 * self._filler_s - min(self.silent_s(), unfilled_s)
