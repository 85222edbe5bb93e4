"""A watch over the event loop, from a thread: what blocks it, and what is said meanwhile."""

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

#: Seconds between two looks. One takes 0.07 ms of a processor, in the thread and in the loop
#: together (measured, 2 cores).
LOOK_S: Final = 0.25
#: Seconds without an answer from the loop after which it counts as blocked.
STALLED_S: Final = 2.0
#: Code that is never the culprit where there is other code behind it.
_NOT_OURS: Final = frozenset({"livekit", *sys.stdlib_module_names})


@dataclass(frozen=True, kw_only=True)
class Stall:
    """One time for which the event loop was blocked."""

    #: What it was busy with: module:function:line, without any data.
    call: str
    #: Seconds, up to `LOOK_S` short.
    stalled_s: float
    #: How often something was said meanwhile.
    said: int


class LoopWatch:
    """Asks the loop for a sign of life, and notes what keeps it from giving one.

    `on_blocked` is called in the thread at each look at a loop that is blocked, with how often it
    has said something meanwhile, and returns whether it does so now; `on_over` is called in the
    loop, once it goes on. Neither may raise. What holds Python's global
    lock, as some extensions in C do, blocks this thread as well: it is then recorded, late, and
    nothing was said.

    To be made on the loop that is watched.
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
        #: When the loop was asked what it has not answered yet.
        self._asked_at: float | None = None
        self._call = ""
        self._said = 0
        self._looks = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; waits for nothing."""
        self._ending.set()

    @property
    def blocked(self) -> tuple[int, str]:
        """How many looks have found the loop blocked, of this one time, and by what the first."""
        with self._lock:
            return self._looks, self._call

    def look(self) -> None:
        """Look once, from the thread."""
        now = self._clock()
        with self._lock:
            asked_at = self._asked_at
            if asked_at is None:
                self._asked_at = now
        if asked_at is None:
            with contextlib.suppress(RuntimeError):  # it has just been closed
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
                return  # it has just gone on
            self._call = self._call or call
            self._looks += 1
        if self._on_blocked(self._said):
            with self._lock:
                self._said += self._asked_at == asked_at

    def _answer(self) -> None:
        """In the loop."""
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
    """What a thread is doing: the innermost call that is nobody else's, and the innermost of all.

    Each is module:function:line. No argument, no variable and no path is in it.
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
