"""`LiveKitOutbox`: limits the number and the rate of a process's calls to LiveKit's server API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from enum import IntEnum
from typing import Final, TypeVar

from worker.aio.token_bucket import TokenBucket
from worker.livekit_api.errors import LiveKitCallLate, LiveKitCallRefused

T = TypeVar("T")

#: Minimum seconds to wait for the rate limit, because shorter waits could cause a busy loop on a
#: coarse clock.
_SHORTEST_WAIT_S: Final = 0.001


#: True in the task of the leader's check, and so in the tasks that the check starts: the answered
#: calls of these tasks count as progress of the check.
COUNTED: Final[ContextVar[bool]] = ContextVar("counted", default=False)


class Priority(IntEnum):
    """The order in which waiting calls are made: the smallest number first."""

    #: A call for an interview whose candidate has no interviewer.
    REDISPATCH = 0
    #: A call that finds out whether a candidate is absent.
    ABSENCE_CHECK = 1


class LiveKitOutbox:
    """Makes calls to LiveKit in the order of their priority, within limits.

    Calls of equal priority are made in the order in which they came. All methods must be called on
    the same event loop. The outbox starts no task: if the task that makes a call is cancelled, the
    waiting call is cancelled too.

    Args:
        at_once: Maximum number of calls at once. At most half of them may be absence checks, so
            that hanging absence checks do not delay a redispatch.
        per_second: Maximum number of calls in a second, on average.
        burst: Number of calls that may be made at once after a quiet time, beyond the rate.
        most_waiting: Maximum number of calls that wait.
    """

    def __init__(
        self,
        *,
        at_once: int = 50,
        per_second: float = 400.0,
        burst: int = 50,
        most_waiting: int = 1000,
    ) -> None:
        if at_once < 1 or burst < 1 or most_waiting < 0 or not per_second > 0:
            raise ValueError("the limits of an outbox must let calls pass")
        self._at_once = at_once
        self._places = {
            Priority.REDISPATCH: at_once,
            Priority.ABSENCE_CHECK: max(1, at_once // 2),
        }
        self._bucket = TokenBucket(per_second=per_second, burst=burst)
        self._most_waiting = most_waiting
        # A dictionary with the value None for each key serves as an ordered set.
        self._waiting: dict[Priority, dict[asyncio.Future[None], None]] = {
            priority: {} for priority in Priority
        }
        self._running = dict.fromkeys(Priority, 0)
        #: Timer that starts waiting calls once the rate allows a further call.
        self._timer: asyncio.TimerHandle | None = None
        self._refused = 0
        self._late = 0
        self._answered = 0

    @property
    def in_flight(self) -> int:
        """The number of calls that run now."""
        return sum(self._running.values())

    @property
    def waiting(self) -> int:
        """The number of calls that wait for their turn now."""
        return sum(map(len, self._waiting.values()))

    @property
    def answered(self) -> int:
        """The number of calls so far that LiveKit has answered and for which `COUNTED` was true."""
        return self._answered

    @property
    def refused(self) -> int:
        """The number of calls that were refused so far, because too many waited."""
        return self._refused

    @property
    def late(self) -> int:
        """The number of calls that were dropped so far, because they waited too long."""
        return self._late

    async def run(
        self, call: Callable[[], Awaitable[T]], *, priority: Priority, deadline_s: float
    ) -> T:
        """Wait for the turn of a call, make the call, and return its result.

        If too many calls wait, the absence check that has waited longest is refused; if no absence
        check waits, the new call is refused.

        Args:
            call: Makes the call. Not used if the call is refused or dropped.
            priority: The purpose of the call, which decides when its turn comes.
            deadline_s: Maximum seconds to wait for the turn. The call itself has its own timeout.

        Raises:
            LiveKitCallRefused: The call was not made, because too many calls wait.
            LiveKitCallLate: The call was not made within `deadline_s`; this is a TimeoutError.
        """
        await self._wait_for_turn(priority, deadline_s)
        try:
            answer = await call()
        finally:
            self._running[priority] -= 1
            self._start_waiting()
        self._answered += COUNTED.get()
        return answer

    async def _wait_for_turn(self, priority: Priority, deadline_s: float) -> None:
        """Wait until the call counts as running."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        queue = self._waiting[priority]
        queue[turn] = None
        self._start_waiting()
        if turn.done():
            return
        if self.waiting > self._most_waiting:
            self._refuse_for(turn)
        drop = loop.call_later(deadline_s, self._drop, turn, deadline_s)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The call got its turn at the moment in which the task was cancelled.
                self._running[priority] -= 1
            raise
        finally:
            drop.cancel()
            queue.pop(turn, None)
            self._start_waiting()

    def _start_waiting(self) -> None:
        """Let waiting calls run, as far as the limits on their number and rate allow."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (found := self._next()) is not None:
            turn, priority = found
            loop = turn.get_loop()
            if wait_s := self._bucket.wait_s(loop.time()):
                self._timer = loop.call_later(max(wait_s, _SHORTEST_WAIT_S), self._start_waiting)
                return
            self._bucket.take()
            self._running[priority] += 1
            del self._waiting[priority][turn]
            turn.set_result(None)

    def _next(self) -> tuple[asyncio.Future[None], Priority] | None:
        """Return the next call that the concurrency limits allow; None if there is none."""
        if self.in_flight >= self._at_once:
            return None
        for priority, queue in self._waiting.items():
            if self._running[priority] < self._places[priority]:
                turn = _first(queue)
                if turn is not None:
                    return turn, priority
        return None

    def _refuse_for(self, new: asyncio.Future[None]) -> None:
        """Refuse the oldest absence check, or the new call if no absence check waits."""
        refused = _first(self._waiting[Priority.ABSENCE_CHECK]) or new
        self._refused += 1
        self._remove(refused)
        refused.set_exception(LiveKitCallRefused(self._most_waiting))

    def _drop(self, turn: asyncio.Future[None], deadline_s: float) -> None:
        if not turn.done():
            self._late += 1
            self._remove(turn)
            turn.set_exception(LiveKitCallLate(deadline_s))

    def _remove(self, turn: asyncio.Future[None]) -> None:
        for queue in self._waiting.values():
            queue.pop(turn, None)


def _first(queue: dict[asyncio.Future[None], None]) -> asyncio.Future[None] | None:
    """Return the first call that still waits.

    A cancelled call stays in the queue until its task resumes.
    """
    return next((turn for turn in queue if not turn.done()), None)
