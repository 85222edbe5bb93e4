"""Turn-taking in an interview: whose turn it is to speak, and when the silence began."""

from __future__ import annotations

import asyncio

from worker import faults


class TurnFloor:
    """Whose turn it is: the interviewer's from `take` until `give`, otherwise the candidate's."""

    def __init__(self) -> None:
        #: Number of turns that the interviewer has begun.
        self.turn = 0
        #: Loop time at which the last turn of the interviewer began.
        self.since = 0.0
        #: True if the candidate was heard during the interviewer's current speech.
        self.contested = False
        self._ours = asyncio.Event()
        self._quiet_from = 0.0

    @property
    def ours(self) -> bool:
        """True during the interviewer's turn, in which the candidate expects to hear something."""
        return self._ours.is_set()

    @property
    def quiet_from(self) -> float:
        """Loop time from which the silence in the interviewer's turn is measured."""
        return self._quiet_from

    def take(self) -> None:
        """Begin a turn of the interviewer."""
        self.turn += 1
        self.contested = False
        self.since = self._quiet_from = asyncio.get_running_loop().time()
        self._ours.set()
        faults.here("loop")

    def give(self, turn: int | None = None) -> None:
        """End the interviewer's turn.

        The application limits how long the candidate may then be silent.

        With `turn`, do nothing unless `turn` is the number of the current turn.
        """
        if turn is None or turn == self.turn:
            self._ours.clear()

    def begin_anew(self, patience_s: float = 0.0) -> None:
        """Restart the measurement of the interviewer's silence, `patience_s` seconds from now."""
        self._quiet_from = max(self._quiet_from, asyncio.get_running_loop().time() + patience_s)

    def contest(self) -> None:
        """Record that the candidate is heard during the interviewer's turn."""
        self.contested = True
        self.begin_anew()

    async def taken(self) -> None:
        """Return as soon as it is the interviewer's turn."""
        await self._ours.wait()
