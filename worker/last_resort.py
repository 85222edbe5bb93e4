"""The last resort of a worker's main process: one that is stuck for good ends itself.

While nothing moves there its jobs go on: each renews its own lease, and ships its own journal. But
dispatches are lost, no operator is heard, and a supervisor sees only processes that ended. Once
this one is gone its jobs hand over, and whoever keeps the worker running starts it anew.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from asyncio import all_tasks, get_running_loop
from typing import TYPE_CHECKING, Final

from worker.loop_watch import LOOK_S, LoopWatch, Stall

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

logger = logging.getLogger(__name__)

#: Seconds for which the event loop is blocked, while other threads go on, until it is given up.
#: Far above what a machine short of memory or a slow resolver costs.
GIVEN_UP_S: Final = 30.0
#: Seconds for the log, which may be what is stuck: a pipe that nobody reads any more.
_WORD_S: Final = 1.0
_EXIT_CODE: Final = 1


class LastResort:
    """Watches the event loop while it is entered; to be made on that loop.

    Args:
        end: Ends the process with an exit code.
        clock: In seconds.
    """

    def __init__(
        self,
        *,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._end = end
        self._loop = get_running_loop()
        self._timer: threading.Timer | None = None
        # Looks and not seconds are counted: the time in which the whole process was stopped, or
        # its machine was, is not the loop's.
        self._looks = 0
        self.watch = LoopWatch(on_blocked=self._on_blocked, on_over=self._on_over, clock=clock)

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.stop()
        if self._timer is not None:
            self._timer.cancel()

    def end_after(self, longest_s: float) -> None:
        """End the process unless this is left within so many seconds."""
        self._timer = threading.Timer(longest_s, self._on_late, [longest_s])
        self._timer.daemon = True
        self._timer.start()

    def _on_blocked(self, _said: int) -> bool:
        """In the watch's thread, at each look while the loop is blocked."""
        self._looks += 1
        if self._looks == round(GIVEN_UP_S / LOOK_S):
            where = self.watch.blocked_by
            self._give_up("the event loop is blocked for good, the worker ends: %s", where)
        return False

    def _on_over(self, stall: Stall) -> None:
        self._looks = 0
        stalled_s = round(stall.stalled_s, 1)
        logger.warning(
            "the event loop was blocked by %s", stall.call, extra={"stalled_s": stalled_s}
        )

    def _on_late(self, longest_s: float) -> None:
        names = sorted(task.get_name() for task in all_tasks(self._loop))
        what = "the worker did not end within %g s, and is ended; it still had %s"
        self._give_up(what, longest_s, ", ".join(names))

    def _give_up(self, message: str, *values: object) -> None:
        word = threading.Thread(target=logger.critical, args=[message, *values], daemon=True)
        word.start()
        word.join(_WORD_S)
        self._end(_EXIT_CODE)
