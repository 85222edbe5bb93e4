"""A main process that is stuck permanently: it ends itself and logs the blocking call."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.virtual.async_steps import end
from worker.aio.loop_monitor import LOOK_S, STALLED_S
from worker.server import watchdog
from worker.server.watchdog import GIVEN_UP_S, ProcessWatchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds in which a thread must end; a safety limit only.
PATIENCE_S = 30.0
#: Seconds of a blocked loop after which the process logs the call and exits, with margin.
FOR_GOOD_S = STALLED_S + GIVEN_UP_S + 2.0


#: Threads of the running test.
THREADS: Final[list[ThreadPoolExecutor]] = []


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    yield
    while THREADS:
        THREADS.pop().shutdown()


class Stuck:
    """The running loop, its watch checked step by step, and the exit codes of the process."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ended = threading.Event()
        self.codes: list[int] = []
        self.resort = ProcessWatchdog(end=self.end, clock=lambda: self.now)
        self._thread = ThreadPoolExecutor(max_workers=1)
        THREADS.append(self._thread)

    def end(self, code: int) -> None:
        self.codes.append(code)
        self.ended.set()

    def look(self, *, after_s: float) -> None:
        """Check once, `after_s` seconds later, and block the loop until the check is done."""
        self.now += after_s
        self._thread.submit(self.resort.watch.look).result(timeout=PATIENCE_S)

    def blocks_the_loop(self, seconds: float) -> None:
        """Simulate blocking code on the loop."""
        for _ in range(round(seconds / LOOK_S)):
            self.look(after_s=LOOK_S)


def critical(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the critical log lines, after the thread that logs them has ended."""
    for each in threading.enumerate():
        if each.name == "last-resort":
            each.join(PATIENCE_S)
    return [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]


async def test_a_permanently_blocked_loop_ends_the_process_and_logs_the_blocking_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck = Stuck()
    stuck.blocks_the_loop(FOR_GOOD_S)
    assert stuck.codes == [1]
    (said,) = critical(caplog)
    assert "the event loop is permanently blocked by" in said
    assert "test_watchdog:look:" in said


async def test_a_loop_that_resumes_in_time_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck = Stuck()
    for _ in range(3):
        stuck.blocks_the_loop(GIVEN_UP_S - 1)
        await asyncio.sleep(0)
    assert stuck.codes == []
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == 3
    assert all(each.startswith("the event loop was blocked by ") for each in said)


async def test_a_loop_that_resumes_at_the_last_moment_does_not_end_the_process() -> None:
    stuck = Stuck()
    stuck.blocks_the_loop(FOR_GOOD_S - 1.5)
    await asyncio.sleep(0)
    stuck.blocks_the_loop(FOR_GOOD_S - 1.5)
    await asyncio.sleep(0)
    assert stuck.codes == []


async def test_a_process_that_was_stopped_for_an_hour_is_not_ended() -> None:
    stuck = Stuck()
    stuck.blocks_the_loop(GIVEN_UP_S - 1)
    for _ in range(200):
        stuck.look(after_s=3600.0)
        await asyncio.sleep(0)
        stuck.look(after_s=LOOK_S)
    assert stuck.codes == []


async def test_a_process_that_cannot_start_a_thread_ends_without_a_log_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = Stuck()
    stuck.look(after_s=0.0)  # the watch's own thread exists

    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_room)
    stuck.blocks_the_loop(FOR_GOOD_S)
    assert stuck.codes == [1]


async def test_a_stuck_log_does_not_keep_the_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, read = Stuck(), threading.Event()
    monkeypatch.setattr(watchdog.logger, "critical", lambda *_, **__: read.wait(PATIENCE_S))
    stuck.blocks_the_loop(FOR_GOOD_S)
    read.set()
    assert stuck.codes == [1]


async def test_a_worker_that_does_not_stop_is_ended_and_logs_its_remaining_tasks(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_WORD_S", 0.01)
    stuck = Stuck()
    hangs = asyncio.create_task(asyncio.Event().wait(), name="ship-AJ_1")
    read = threading.Event()
    thread = threading.Thread(target=read.wait, args=[PATIENCE_S], name="disk")
    thread.start()
    stuck.resort.end_after(0.01)
    assert stuck.ended.wait(PATIENCE_S)
    (said,) = critical(caplog)
    await end(hangs)
    read.set()
    thread.join()
    assert stuck.codes == [1]
    assert "did not stop within 0.01 s" in said
    assert "ship-AJ_1 (Event.wait)" in said
    assert "disk" in said
