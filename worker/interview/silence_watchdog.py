"""Fills the silence in the interviewer's turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from worker.floor import Floor

#: Seconds between two checks at least: the grain of the clock would keep the event loop busy.
_LEAST_WAIT_S: Final = 0.01


class Heard(Protocol):
    """The line to the candidate, as far as the watchdog asks it."""

    @property
    def listened(self) -> bool:
        """Whether what is played now can be heard."""

    @property
    def subscribed(self) -> bool:
        """Whether anybody ever listened."""

    @property
    def paused(self) -> bool:
        """Whether the session has stopped its speech for a moment."""

    def heard_at(self, *, speech: bool = False) -> float | None:
        """The loop's time at which something, or some speech, was heard last."""


class Place(Protocol):
    """Where the candidate is, or is not."""

    @property
    def candidate_is_here(self) -> bool:
        """Whether the candidate is there."""

    async def candidate_moved(self) -> None:
        """Return at the next coming or going of anybody."""


class Ladder(Protocol):
    """What is done about silence, in steps."""

    @property
    def spent(self) -> bool:
        """Whether all of them were taken, and in vain."""

    def due_in(self, silent_s: float) -> float:
        """Seconds until the next step is to be taken; none are left where it is infinite."""

    async def climb(self, silent_s: float) -> None:
        """Take the next step, after so many seconds without speech. Never raises."""

    async def fill(self) -> None:
        """Let the candidate hear that it goes on. Never raises."""


class Watchdog:
    """Fills silence in our turn after `filler_s` seconds, and lets the ladder do the rest.

    What counts is what was played to a candidate who listens: the ladder counts from the last
    of our speech, fillers from the last sound of any kind. While the candidate is absent or
    speaks nothing counts, and while the room is away nothing is done: nobody would hear it.
    """

    def __init__(
        self,
        *,
        line: Heard,
        place: Place,
        floor: Floor,
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
        # The turn that was filled last, and when.
        self._filled_turn = 0
        self._filled_at = 0.0

    async def run(self) -> None:
        """Watch until the ladder is spent."""
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
        """Do what is due, or wait until something may be."""
        silent_s = self.silent_s(speech=True)
        due_s = self._ladder.due_in(silent_s)
        if due_s <= 0:
            await self._ladder.climb(silent_s)
        elif (filler_s := self._filler_in()) <= 0:
            self._filled_turn = self._floor.turn
            await self._ladder.fill()
            self._filled_at = asyncio.get_running_loop().time()
        else:
            # Whatever comes meanwhile, nothing is due before that.
            await asyncio.sleep(max(_LEAST_WAIT_S, min(due_s, filler_s, self._filler_s)))

    def silent_s(self, *, speech: bool = False) -> float:
        """Seconds for which nothing was heard, or no speech, that should have been."""
        since = max(self._floor.quiet_from, self._line.heard_at(speech=speech) or 0.0)
        return asyncio.get_running_loop().time() - since

    def _filler_in(self) -> float:
        """The first of a turn comes soon, the others leave each other some room."""
        if self._line.paused:
            return self._filler_s  # the session may go on with its speech at any moment
        if self._filled_turn != self._floor.turn:
            return self._filler_s - self.silent_s()
        unfilled_s = asyncio.get_running_loop().time() - self._filled_at
        return 2 * self._filler_s - min(self.silent_s(), unfilled_s)
