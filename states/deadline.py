"""The time limit of the state that a job is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """A time limit with one timer, which calls `on_spent` when the time is over."""

    def __init__(self, on_spent: Callable[[], None]) -> None:
        self._on_spent = on_spent
        #: Event loop time at which the limit is reached; None without a limit.
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds until the limit is reached, at least 0; None without a limit."""
        return None if self._at is None else max(0.0, self._at - asyncio.get_running_loop().time())

    def begin(self, seconds: float | None) -> None:
        """Set a new limit of `seconds` from now; None removes the limit."""
        self._at = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self.keep()

    def shorten(self, seconds: float) -> None:
        """Limit the remaining time to at most `seconds`."""
        remaining = self.remaining
        if remaining is None or seconds < remaining:
            self.begin(seconds)

    def keep(self) -> None:
        """Restart the timer with the same limit; call `on_spent` again if the limit has passed."""
        self.stop()
        if self._at is not None:
            self._timer = asyncio.get_running_loop().call_at(self._at, self._on_spent)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
