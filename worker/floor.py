"""Whose turn it is to speak in an interview, and since when it has been silent."""

from __future__ import annotations

import asyncio

from worker import faults


class Floor:
    """Whose turn it is to speak: ours from `take` until `give`, the candidate's otherwise."""

    def __init__(self) -> None:
        #: Counts the turns of ours, and the loop's time at which the last one began.
        self.turn = 0
        self.since = 0.0
        #: Whether the candidate was heard over what is being said now.
        self.contested = False
        self._ours = asyncio.Event()
        self._quiet_from = 0.0

    @property
    def ours(self) -> bool:
        """Whether we owe the candidate something to hear."""
        return self._ours.is_set()

    @property
    def quiet_from(self) -> float:
        """The loop's time from which silence is ours to break, for all that is known here."""
        return self._quiet_from

    def take(self) -> None:
        """A turn of ours begins now."""
        self.turn += 1
        self.contested = False
        self.since = self._quiet_from = asyncio.get_running_loop().time()
        self._ours.set()
        faults.here("loop")

    def give(self, turn: int | None = None) -> None:
        """We owe nothing: the candidate may think as long as the application lets them.

        Naming a turn of ours changes nothing where another one has begun since.
        """
        if turn is None or turn == self.turn:
            self._ours.clear()

    def begin_anew(self, patience_s: float = 0.0) -> None:
        """No silence before now counts, nor that of so many seconds to come."""
        self._quiet_from = max(self._quiet_from, asyncio.get_running_loop().time() + patience_s)

    def contest(self) -> None:
        """The candidate is heard in a turn of ours."""
        self.contested = True
        self.begin_anew()

    async def taken(self) -> None:
        """Return as soon as it is ours."""
        await self._ours.wait()
