"""The time limit of the state that a job is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from states.phases import Clock
from states.table import PAUSABLE, Edge, State


class Deadline:
    """A time limit with one timer, which calls `on_spent` when the time is over.

    While the clock of the limit is stopped, the remaining time does not change.
    """

    def __init__(self, on_spent: Callable[[], None]) -> None:
        self._on_spent = on_spent
        #: Event loop time at which the limit is reached; None without a limit.
        self._at: float | None = None
        #: Seconds that were left when the clock was stopped; None while the clock runs.
        self._left: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds until the limit is reached, at least 0; None without a limit."""
        if self._left is not None:
            return self._left
        return None if self._at is None else max(0.0, self._at - asyncio.get_running_loop().time())

    def begin(self, seconds: float | None) -> None:
        """Set a new limit of `seconds`, whose clock runs from now; None removes the limit."""
        self._left = None
        self._at = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self.keep()

    def shorten(self, seconds: float) -> None:
        """Limit the remaining time to at most `seconds`.

        If the remaining time was longer than `seconds`, or there was no limit, the clock is
        started.
        """
        remaining = self.remaining
        if remaining is None or seconds < remaining:
            self.begin(seconds)

    def spend(self, seconds: float) -> None:
        """Take `seconds` off the remaining time, which is at least 0 afterwards.

        The clock is neither started nor stopped. Without a limit, do nothing.
        """
        remaining = self.remaining
        if remaining is None:
            return
        left = max(0.0, remaining - seconds)
        if self._left is None:
            self.begin(left)
        else:
            self._left = left

    def pause(self) -> None:
        """Stop the clock until `resume`. Do nothing without a limit or if the clock is stopped."""
        if self._left is None and self._at is not None:
            self._left = self.remaining
            self.stop()

    def resume(self) -> None:
        """Let the clock run again. Do nothing if the clock already runs."""
        if self._left is not None:
            self.begin(self._left)

    def keep(self) -> None:
        """Restart the timer with the same limit; call `on_spent` again if the limit has passed."""
        self.stop()
        if self._at is not None and self._left is None:
            self._timer = asyncio.get_running_loop().call_at(self._at, self._on_spent)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class StateDeadline(Deadline):
    """The deadline of the state that a job is in.

    Each edge of the state table may change the deadline.

    Args:
        budgets: Seconds by state.
        hurried_closing_s: Maximum seconds that are left in CLOSING after an edge with `hurries`.
        on_spent: Called when the time is over.
    """

    def __init__(
        self,
        budgets: Mapping[State, float],
        hurried_closing_s: float,
        on_spent: Callable[[], None],
    ) -> None:
        super().__init__(on_spent)
        self._budgets = budgets
        self._hurried_closing_s = hurried_closing_s
        #: Seconds of a pausable budget that earlier jobs of the same work have used, as far as is
        #: known.
        self.earlier_s = 0.0

    def enter(self, state: State) -> None:
        """Set the limit of `state`.

        The seconds that earlier jobs have used are subtracted from a pausable budget.
        """
        limit_s = self._budgets.get(state)
        if limit_s is not None and state in PAUSABLE:
            limit_s = max(0.0, limit_s - self.earlier_s)
        self.begin(limit_s)

    def follow(self, edge: Edge) -> None:
        """Change the limit and its clock as `edge` says, once the job has taken the edge."""
        if edge.target is not None:
            if edge.source in edge.target.deadline_group:
                self.keep()
            else:
                self.enter(edge.target)
        if edge.clock is Clock.STOPPED:
            self.pause()
        elif edge.clock is Clock.RUNNING:
            self.resume()
        if edge.hurries:
            self.shorten(self._hurried_closing_s)

    def carry_over(self, state: State, seconds: float) -> None:
        """Count `seconds` as used by earlier jobs; `state` is the job's current state."""
        more_s, self.earlier_s = seconds - self.earlier_s, seconds
        if state in PAUSABLE:
            self.spend(more_s)
