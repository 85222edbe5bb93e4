"""How slow the database server is now: the time of its slowest recent answer to this process.

A server that is busy, for example because a whole fleet has just started, answers late on all
connections. If a process took each late answer for a broken connection, it would close the
connection and open another one. To open a connection costs the server more than most statements, so
the server would stay busy for as long as the workers replace their connections.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

#: Seconds for which a slow answer counts.
_RECENT_S: Final = 10.0
#: How many times longer than the slowest recent answer the next answer may take.
_FACTOR: Final = 2.0
#: Share of the time of an opening that counts as one answer: an opening takes several round trips,
#: and the server starts a process for it.
_OF_AN_OPENING: Final = 0.5


class AnswerTimes:
    """The times of the server's answers on all connections of one process.

    Args:
        most_s: Maximum time limit in seconds that `patience_s` returns, unless the usual time limit
            is longer.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._slowest_s = 0.0
        self._noted_at = -math.inf

    def note(self, took_s: float) -> None:
        """Note an answer that came after `took_s` seconds."""
        now = asyncio.get_running_loop().time()
        if took_s >= self._slowest_s or now - self._noted_at >= _RECENT_S:
            self._slowest_s, self._noted_at = took_s, now

    def note_opening(self, took_s: float) -> None:
        """Note that a connection was opened in `took_s` seconds."""
        self.note(took_s * _OF_AN_OPENING)

    def patience_s(self, usual_s: float) -> float:
        """Return the seconds after which a connection without an answer counts as broken.

        That is `usual_s`, or longer if the server has been slow within the last seconds.
        """
        recent = asyncio.get_running_loop().time() - self._noted_at < _RECENT_S
        slow_s = self._slowest_s * _FACTOR if recent else 0.0
        return max(usual_s, min(slow_s, self._most_s))
