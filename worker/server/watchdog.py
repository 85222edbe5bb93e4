"""Watchdog of the worker's main process: it ends the process if it is stuck permanently.

While the main process is stuck its jobs continue: each renews its own lease and ingests its own
journal. But dispatches are lost, operator requests have no effect, and a supervisor notices only
processes that have ended. Once the main process has ended, its jobs hand over, and the supervisor
restarts the worker.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from asyncio import AbstractEventLoop, all_tasks, get_running_loop
from typing import TYPE_CHECKING, Final

from worker.aio.loop_monitor import LOOK_S, LoopMonitor, Stall

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

logger = logging.getLogger(__name__)

#: Seconds for which the event loop must be blocked, while other threads run, before the process is
#: ended. Far above the effect of a memory shortage or a slow resolver.
GIVEN_UP_S: Final = 30.0
#: Seconds for the log line. Logging itself may be stuck: a pipe that no process reads any more.
_WORD_S: Final = 1.0
# Count checks, not seconds: the time for which the whole process or its machine was stopped must
# not count as a blocked loop.
_SAY_AT: Final = round(GIVEN_UP_S / LOOK_S)
_END_AT: Final = _SAY_AT + round(_WORD_S / LOOK_S)
_EXIT_CODE: Final = 1
_NAME: Final = "last-resort"


class ProcessWatchdog:
    """Watches the event loop while the context is entered. Create it on that loop.

    Args:
        end: Ends the process with an exit code.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        *,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._end = end
        self._loop = get_running_loop()
        self.watch = LoopMonitor(on_blocked=self._on_blocked, on_over=self._on_over, clock=clock)

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.stop()

    def end_after(self, longest_s: float) -> None:
        """End the process in `longest_s` seconds, unless it has ended before.

        This cannot be revoked. It also applies after the end of the event loop, when Python waits
        for threads that hang.
        """
        # Start both now: a process that is ending, or is out of resources, cannot start threads.
        for after_s, what, value in (
            (longest_s, self._say_late, longest_s),
            (longest_s + _WORD_S, self._end, _EXIT_CODE),
        ):
            timer = threading.Timer(after_s, what, [value])
            timer.name, timer.daemon = _NAME, True
            with contextlib.suppress(RuntimeError):  # no resources for a thread
                timer.start()

    def _on_blocked(self, _said: int) -> bool:
        """Run in the watchdog's thread, at each check that finds the loop blocked."""
        looks, call = self.watch.blocked
        if looks == _SAY_AT:
            message = "event loop permanently blocked, ending the worker: %s"
            word = threading.Thread(target=logger.critical, args=[message, call], daemon=True)
            word.name = _NAME
            with contextlib.suppress(RuntimeError):  # no resources for a thread
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
        message = "worker did not stop within %g s, ending it; still running: %s"
        logger.critical(message, longest_s, ", ".join(_left(self._loop)) or "nothing")


def _left(loop: AbstractEventLoop) -> list[str]:
    """Return the names of the tasks and threads that keep the process from ending."""
    with contextlib.suppress(RuntimeError):  # both sets may change during the iteration
        tasks = sorted(
            f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
            for task in all_tasks(loop)
        )
        there = {*threading.enumerate()} - {threading.main_thread()}
        return tasks + sorted(each.name for each in there if not each.daemon)
    return []
