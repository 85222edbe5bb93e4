"""Search for free slots of other workers, for the interviews of a worker that drains."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from worker.server.drain_state import SEARCH_TRANSITIONS, SearchEvent, SearchState

if TYPE_CHECKING:
    from worker.store.workers import Reserved

logger = logging.getLogger(__name__)


class SlotSearch:
    """The search for free slots of other workers during one drain.

    Args:
        reserve: Reserves up to the given number of free slots of other workers. Returns None if the
            other workers are not known.
        is_shared: Whether there is a database through which workers know of each other.
        keeps: Whether jobs for which no free slot is found continue on this worker.
        longest_s: Maximum seconds that the search waits for a free slot, from the first `look`.
    """

    def __init__(
        self,
        reserve: Callable[[int], Awaitable[Reserved | None]],
        *,
        is_shared: bool,
        keeps: bool,
        longest_s: float,
    ) -> None:
        self._reserve = reserve
        self._is_shared = is_shared
        self._keeps = keeps
        self._longest_s = longest_s
        self._state = SearchState.NOT_BEGUN
        #: Loop time until which the search waits for a free slot.
        self._waits_until = 0.0

    async def look(self, wanted: int) -> Reserved | None:
        """Reserve up to `wanted` slots; return None if the other workers are not known."""
        if self._enter(SearchEvent.LOOKED):
            self._waits_until = asyncio.get_running_loop().time() + self._longest_s
        return await self._reserve(wanted)

    def must_close(self, found: Reserved | None, alone: int) -> bool:
        """Return whether jobs for which no slot was found must be closed now, and log the decision.

        `found` is the result of the last `look`, and `alone` the number of jobs for which no slot
        was found.
        """
        if self._keeps:
            if self._enter(SearchEvent.NO_SLOT_BUT_KEPT):
                self._warn_of("continue on this worker", alone)
            return False
        if self._may_wait(found):
            return False
        self._warn_of("are closed", alone)
        return True

    def _may_wait(self, found: Reserved | None) -> bool:
        if not (found.workers if found is not None else self._is_shared):
            return False
        if self._enter(SearchEvent.NO_SLOT_YET):
            logger.warning(
                "the drain waits, because no other worker is known to have a free slot",
                extra={"event": "drain_waits_for_slot", "longest_s": self._longest_s},
            )
        return asyncio.get_running_loop().time() < self._waits_until

    def _warn_of(self, what: str, alone: int) -> None:
        logger.warning(
            "the remaining interviews %s, because no other worker can take them over",
            what,
            extra={"event": "no_worker_takes_over", "jobs": alone},
        )

    def _enter(self, event: SearchEvent) -> bool:
        """Make the transition for `event`; return False if SEARCH_TRANSITIONS has none."""
        target = SEARCH_TRANSITIONS.get((self._state, event))
        self._state = target or self._state
        return target is not None
