"""Watchdog that ends the worker's main process if that process is stuck permanently.

While the main process is stuck, its jobs continue. Each job renews its own lease and ingests its
own journal. But a stuck main process loses dispatches, requests of operators have no effect, and a
supervisor notices only processes that have ended. Once the main process has ended, the jobs hand
their interviews over, and the supervisor restarts the worker.
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
#: ended. A memory shortage or a slow resolver blocks the loop for a much shorter time.
GIVEN_UP_S: Final = 30.0
#: Seconds from the start of the log line until the process is ended, even if the log line hangs on
#: a pipe that no process reads any more.
_WORD_S: Final = 1.0
# Count checks and not seconds, because time in which the whole process or its machine was stopped
# must not count as a blocked loop.
_SAY_AT: Final = round(GIVEN_UP_S / LOOK_S)
_END_AT: Final = _SAY_AT + round(_WORD_S / LOOK_S)
_EXIT_CODE: Final = 1
_NAME: Final = "last-resort"


class ProcessWatchdog:
    """Context manager that watches the event loop on which the manager is created.

    Args:
        end: Ends the process with the given exit code.
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
        """End the process in `longest_s` seconds, unless the process has ended before.

        The deadline cannot be revoked. The deadline also holds after the end of the event loop,
        while Python waits for threads that hang.
        """
        # Start the threads of both timers now, because a process that is ending or out of resources
        # cannot start threads.
        for after_s, what, value in (
            (longest_s, self._say_late, longest_s),
            (longest_s + _WORD_S, self._end, _EXIT_CODE),
        ):
            timer = threading.Timer(after_s, what, [value])
            timer.name, timer.daemon = _NAME, True
            with contextlib.suppress(RuntimeError):  # the system cannot start a thread
                timer.start()

    def _on_blocked(self, _said: int) -> bool:
        """Log a permanently blocked loop, then end the process. Runs in the watchdog's thread."""
        looks, call = self.watch.blocked
        if looks == _SAY_AT:
            # Log in a separate thread, because a log line blocks if the program that reads the log
            # has stopped.
            word = threading.Thread(target=_say_stuck, args=[call], daemon=True)
            word.name = _NAME
            with contextlib.suppress(RuntimeError):  # the system cannot start a thread
                word.start()
        elif looks == _END_AT:
            self._end(_EXIT_CODE)
        return False

    def _on_over(self, stall: Stall) -> None:
        stalled_s = round(stall.stalled_s, 1)
        logger.warning(
            "the event loop was blocked by %s",
            stall.call,
            extra={"event": "event_loop_blocked", "stalled_s": stalled_s},
        )

    def _say_late(self, longest_s: float) -> None:
        logger.critical(
            "the worker did not stop within %g s and is ended now; still running: %s",
            longest_s,
            ", ".join(_left(self._loop)) or "nothing",
            extra={"event": "worker_stop_overdue"},
        )


def _say_stuck(call: str) -> None:
    logger.critical(
        "the event loop is permanently blocked by %s, so the watchdog ends the worker",
        call,
        extra={"event": "event_loop_stuck"},
    )


def _left(loop: AbstractEventLoop) -> list[str]:
    """Return the names of the tasks and threads that keep the process from ending."""
    # A set of tasks or threads may change during the iteration.
    with contextlib.suppress(RuntimeError):
        tasks = sorted(
            f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
            for task in all_tasks(loop)
        )
        there = {*threading.enumerate()} - {threading.main_thread()}
        return tasks + sorted(each.name for each in there if not each.daemon)
    return []
