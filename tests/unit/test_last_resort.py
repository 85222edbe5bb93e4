"""A main process that is stuck for good ends itself, and says where it was stuck."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from worker.last_resort import GIVEN_UP_S, LastResort
from worker.loop_watch import LOOK_S, STALLED_S

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds for a thread to come to its end; never a measure.
PATIENCE_S = 30.0


class Stuck:
    """The running loop, its watch's looks one by one, and the exit codes that it was ended with."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ended = threading.Event()
        self.codes: list[int] = []
        self.resort = LastResort(end=self.end, clock=lambda: self.now)
        self._thread = ThreadPoolExecutor(max_workers=1)

    def end(self, code: int) -> None:
        self.codes.append(code)
        self.ended.set()

    def look(self, *, after_s: float) -> None:
        """A look, so many seconds later. Blocks the loop for as long as it takes."""
        self.now += after_s
        self._thread.submit(self.resort.watch.look).result(timeout=PATIENCE_S)

    def blocks_the_loop(self, seconds: float) -> None:
        """Code that a loop must not run."""
        for _ in range(round(seconds / LOOK_S)):
            self.look(after_s=LOOK_S)


async def test_a_loop_that_is_blocked_for_good_ends_the_process_and_names_what_blocks_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck = Stuck()
    stuck.blocks_the_loop(STALLED_S + GIVEN_UP_S + 5)
    assert stuck.codes == [1]
    (said,) = [each for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "the event loop is blocked for good" in said.getMessage()
    assert "test_last_resort:look:" in said.getMessage()


async def test_a_loop_that_goes_on_in_time_ends_nothing_and_is_told_of(
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


async def test_a_process_that_was_stopped_for_an_hour_goes_on() -> None:
    stuck = Stuck()
    for _ in range(200):
        stuck.look(after_s=LOOK_S)
        stuck.look(after_s=3600.0)
        await asyncio.sleep(0)
    assert stuck.codes == []


async def test_a_worker_that_does_not_end_is_ended_and_says_what_it_still_had(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck = Stuck()
    with stuck.resort:
        hangs = asyncio.create_task(asyncio.Event().wait(), name="ship-AJ_1")
        await asyncio.sleep(0)
        stuck.resort.end_after(0.01)
        assert stuck.ended.wait(PATIENCE_S)
    hangs.cancel()
    assert stuck.codes == [1]
    assert "did not end within 0.01 s" in caplog.text
    assert "ship-AJ_1" in caplog.text


async def test_a_worker_that_ends_in_time_is_not_ended() -> None:
    stuck = Stuck()
    with stuck.resort:
        stuck.resort.end_after(0.2)
        (timer,) = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    timer.join(PATIENCE_S)
    assert stuck.codes == []


@contextmanager
def a_log_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    read = threading.Event()
    monkeypatch.setattr("worker.last_resort.logger.critical", lambda *_: read.wait(PATIENCE_S))
    yield
    read.set()


async def test_a_log_that_is_stuck_as_well_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    with a_log_that_nobody_reads(monkeypatch):
        stuck.blocks_the_loop(STALLED_S + GIVEN_UP_S + 5)
        assert stuck.codes == [1]
