"""The last resort of a worker's main process: one that is stuck for good ends itself.

While nothing moves there its jobs go on: each renews its own lease, and ships its own journal. But
dispatches are lost, no operator is heard, and a supervisor sees only processes that ended. Once
this one is gone its jobs hand over, and whoever keeps the worker running starts it anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from asyncio import AbstractEventLoop, all_tasks, get_running_loop
from typing import TYPE_CHECKING, Final

from worker.loop_watch import LOOK_S, LoopWatch, Stall

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

logger = logging.getLogger(__name__)

#: Seconds for which the event loop is found blocked, while other threads go on, until it is given
#: up. Far above what a machine short of memory or a slow resolver costs.
GIVEN_UP_S: Final = 30.0
#: Seconds for the log, which may be what is stuck: a pipe that nobody reads any more.
_WORD_S: Final = 1.0
# Looks and not seconds are counted: the time in which the whole process was stopped, or its
# machine was, is not the loop's.
_SAY_AT: Final = round(GIVEN_UP_S / LOOK_S)
_END_AT: Final = _SAY_AT + round(_WORD_S / LOOK_S)
_EXIT_CODE: Final = 1
_NAME: Final = "last-resort"


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
        self.watch = LoopWatch(on_blocked=self._on_blocked, on_over=self._on_over, clock=clock)

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.stop()

    def end_after(self, longest_s: float) -> None:
        """End the process unless it has ended by itself within so many seconds.

        For good, also behind the end of the event loop: Python waits for threads that hang.
        """
        # Both are started now: a process that ends, or has no room, gives no further thread.
        for after_s, what, value in (
            (longest_s, self._say_late, longest_s),
            (longest_s + _WORD_S, self._end, _EXIT_CODE),
        ):
            timer = threading.Timer(after_s, what, [value])
            timer.name, timer.daemon = _NAME, True
            with contextlib.suppress(RuntimeError):  # no room for a thread
                timer.start()

    def _on_blocked(self, _said: int) -> bool:
        """In the watch's thread, at each look while the loop is blocked."""
        looks, call = self.watch.blocked
        if looks == _SAY_AT:
            message = "the event loop is blocked for good, the worker ends: %s"
            word = threading.Thread(target=logger.critical, args=[message, call], daemon=True)
            word.name = _NAME
            with contextlib.suppress(RuntimeError):  # no room for a thread
                word.start()
        elif looks == _END_AT:
            self._end(_EXIT_CODE)
        return False

    def _on_over(self, stall: Stall) -> None:
        stalled_s = round(stall.stalled_s, 1)
        logger.warning(
            "the event loop was blocked by %s", stall.call, extra={"stalled_s": stalled_s}
        )

    def _say_late(self, longest_s: float) -> None:
        message = "the worker did not end within %g s, and is ended; it still had %s"
        logger.critical(message, longest_s, ", ".join(_left(self._loop)) or "nothing")


def _left(loop: AbstractEventLoop) -> list[str]:
    """The tasks and the threads that keep a process from its end, by their names."""
    with contextlib.suppress(RuntimeError):  # they change all the time
        tasks = sorted(
            f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
            for task in all_tasks(loop)
        )
        there = {*threading.enumerate()} - {threading.main_thread()}
        return tasks + sorted(each.name for each in there if not each.daemon)
    return []
