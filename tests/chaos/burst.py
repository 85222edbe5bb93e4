"""The candidates of a burst of dispatches: each hears its interviewer's first words, and leaves."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.diary import Listener
from tests.chaos.person import JOIN_ERRORS, voices_of
from tests.chaos.spans import Span

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from worker.simulation.room_candidate import Candidate

#: Seconds after which a candidate that has heard nothing leaves.
_PATIENCE_S: Final = 40.0
#: Seconds that a candidate stays after the first words: a second interviewer would be heard.
_STAYS_S: Final = 3.0
_TRIES_AGAIN_S: Final = 0.5


class Guest:
    """One candidate of a burst.

    Args:
        log: The log to write.
        join: Creates a connection to the room, a new one for each visit.
        send: Dispatches the interviewer, and stores that it was dispatched.
        end: Ends the interview for good, so that no interviewer waits for the candidate.
    """

    def __init__(
        self,
        log: Listener,
        *,
        join: Callable[[], Candidate],
        send: Callable[[], Coroutine[Any, Any, None]],
        end: Callable[[], Awaitable[None]],
    ) -> None:
        self.log = log
        self._join = join
        self._send = send
        self._end = end

    async def attend(self) -> Listener:
        """Dispatch the interviewer, join, leave after the first words; return the log."""
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(), name="dispatch")
            give_up_s = time.time() + _PATIENCE_S
            while not self.log.voices and time.time() < give_up_s:
                await self._visit(give_up_s)
            # A later dispatch would make the room again.
            sending.cancel()
        await self._end()
        return self.log

    async def _visit(self, give_up_s: float) -> None:
        """Stay in the room until words, its loss, or `give_up_s` in seconds since the epoch."""
        candidate = self._join()
        try:
            await candidate.join()
        except JOIN_ERRORS:
            await candidate.leave()
            await asyncio.sleep(_TRIES_AGAIN_S)
            return
        joined_s = time.time()
        left_s = max(give_up_s - joined_s, 0.0)
        waits = [
            asyncio.create_task(candidate.wait_for_sound(since_s=0.0, timeout_s=left_s)),
            asyncio.create_task(candidate.wait_until_disconnected(timeout_s=left_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if candidate.meter.last_audible_s is not None:
                await asyncio.sleep(_STAYS_S)
        finally:
            for task in waits:
                task.cancel()
            # Their time-outs are no errors.
            await asyncio.gather(*waits, return_exceptions=True)
            now_s = time.time()
            self.log.visits.append(Span(start_s=joined_s, end_s=now_s))
            for identity, spans in voices_of(candidate, now_s).items():
                self.log.voices.setdefault(identity, []).extend(spans)
            await candidate.leave()
