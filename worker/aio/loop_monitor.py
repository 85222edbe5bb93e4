"""Watchdog thread for the event loop: finds what blocks it, and can act during the stall."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final

#: Seconds between two checks. One check takes 0.07 ms of a processor, in the thread and in the loop
#: together (measured, 2 cores).
LOOK_S: Final = 0.25
#: Seconds without an answer from the loop after which it counts as blocked.
STALLED_S: Final = 2.0
#: Modules that are not reported as the cause if other code called them.
_NOT_OURS: Final = frozenset({"livekit", *sys.stdlib_module_names})


@dataclass(frozen=True, kw_only=True)
class Stall:
    """One stall of the event loop."""

    #: The blocking call: module:function:line, without any data.
    call: str
    #: Duration in seconds, up to `LOOK_S` too short.
    stalled_s: float
    #: Number of messages that were played during the stall.
    said: int


class LoopMonitor:
    """Pings the event loop from a thread, and notes what keeps it from answering.

    `on_blocked` is called in the thread at each check that finds the loop blocked. It gets the
    number of messages played during this stall, and returns whether it plays one now. `on_over` is
    called in the loop, once it runs again. Neither may raise. Code that holds Python's global
    interpreter lock, as some C extensions do, blocks this thread as well: the stall is then
    recorded late, and no message is played.

    Create it on the loop that it watches.
    """

    def __init__(
        self,
        *,
        on_blocked: Callable[[int], bool],
        on_over: Callable[[Stall], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._on_blocked, self._on_over = on_blocked, on_over
        self._clock = clock
        self._lock = threading.Lock()
        #: Time of the ping that the loop has not answered yet; None if there is none.
        self._asked_at: float | None = None
        self._call = ""
        self._said = 0
        self._looks = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, without waiting for the thread."""
        self._ending.set()

    @property
    def blocked(self) -> tuple[int, str]:
        """Checks of the current stall that found the loop blocked, and the blocking call."""
        with self._lock:
            return self._looks, self._call

    def look(self) -> None:
        """Check the loop once. Runs in the thread."""
        now = self._clock()
        with self._lock:
            asked_at = self._asked_at
            if asked_at is None:
                self._asked_at = now
        if asked_at is None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._answer)
        elif now - asked_at >= STALLED_S:
            self._note(asked_at)

    def _run(self) -> None:
        while not self._ending.wait(LOOK_S) and not self._loop.is_closed():
            self.look()

    def _note(self, asked_at: float) -> None:
        call = call_of(sys._current_frames().get(self._loop_thread))
        with self._lock:
            if self._asked_at != asked_at:
                return  # the loop has just answered
            self._call = self._call or call
            self._looks += 1
        if self._on_blocked(self._said):
            with self._lock:
                self._said += self._asked_at == asked_at

    def _answer(self) -> None:
        """Answer the ping. Runs in the loop."""
        now = self._clock()
        with self._lock:
            asked_at, self._asked_at = self._asked_at, None
            call, self._call = self._call, ""
            said, self._said = self._said, 0
            self._looks = 0
        stalled_s = now - asked_at if asked_at is not None else 0.0
        if stalled_s >= STALLED_S:
            self._on_over(Stall(call=call or "unknown", stalled_s=stalled_s, said=said))


def call_of(innermost: FrameType | None) -> str:
    """Return what a thread is executing, as module:function:line.

    Names the innermost call outside livekit and the standard library, and the innermost call of
    all. No argument, no variable and no path is included.
    """
    frames: list[FrameType] = []
    while innermost is not None:
        frames.append(innermost)
        innermost = innermost.f_back
    if not frames:
        return ""
    own = next((frame for frame in frames if _module(frame).split(".")[0] not in _NOT_OURS), None)
    if own is None or own is frames[0]:
        return _place(frames[0])
    return f"{_place(own)} in {_place(frames[0])}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))


def _place(frame: FrameType) -> str:
    return f"{_module(frame)}:{frame.f_code.co_name}:{frame.f_lineno}"
