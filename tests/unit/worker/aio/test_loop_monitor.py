"""A blocked event loop: its blocking call is found, and the candidate hears a filler clip."""

from __future__ import annotations

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from states import Event
from tests.support.virtual.job_parts import HeardLine, Rig, TinyApplication, rig, run_for_ever
from tests.support.virtual.long_sink import RATE, LongSink
from worker.aio.loop_monitor import LOOK_S, STALLED_S, LoopMonitor, Stall, call_of
from worker.audio.clip import Clip, ClipMissing
from worker.clips.recordings import ClipName, load_clip
from worker.job.floor import TurnFloor
from worker.job.stall_guard import StallGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORDS = load_clip(ClipName.ONE_MOMENT)


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


#: Threads of the running test.
THREADS: Final[list[ThreadPoolExecutor]] = []


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    yield
    while THREADS:
        THREADS.pop().shutdown()


class Watched:
    """The running loop, watched from a thread whose checks a test triggers one by one."""

    def __init__(self, *, says: bool = False) -> None:
        self.clock = Clock()
        self.stalls: list[Stall] = []
        self.asked: list[int] = []
        self._says = says
        self._watch = LoopMonitor(
            on_blocked=self._on_blocked, on_over=self.stalls.append, clock=self.clock
        )
        self._thread = ThreadPoolExecutor(max_workers=1)
        THREADS.append(self._thread)

    def _on_blocked(self, said: int) -> bool:
        self.asked.append(said)
        return self._says

    def look(self, *, after_s: float) -> None:
        """Check in the thread, `after_s` seconds later; block the loop until the check is done."""
        self.clock.now += after_s
        self._thread.submit(self._watch.look).result(timeout=10)


def blocks_the_loop(watched: Watched, *looks_s: float) -> None:
    """Simulate blocking code on the loop."""
    for after_s in looks_s:
        watched.look(after_s=after_s)


async def test_a_responsive_loop_is_not_reported_as_blocked() -> None:
    watched = Watched()
    for _ in range(20):
        watched.look(after_s=LOOK_S)
        await asyncio.sleep(0)

    assert watched.asked == []
    assert watched.stalls == []


async def test_the_blocking_call_is_reported_once_the_loop_runs_again() -> None:
    watched = Watched()
    blocks_the_loop(watched, 0.0, 1.9, 0.2, 1.0)
    assert watched.stalls == []
    watched.clock.now += 0.9
    await asyncio.sleep(0)

    (stall,) = watched.stalls
    assert stall.stalled_s == pytest.approx(4.0)
    assert stall.said == 0
    assert re.fullmatch(rf"{__name__}:look:\d+ in threading:wait:\d+", stall.call)
    assert watched.asked == [0, 0]


async def test_a_second_block_of_the_loop_is_reported_separately() -> None:
    watched = Watched(says=True)
    for _ in range(2):
        blocks_the_loop(watched, 0.0, STALLED_S, 1.0)
        await asyncio.sleep(0)

    assert [(stall.stalled_s, stall.said) for stall in watched.stalls] == [(3.0, 2), (3.0, 2)]
    assert watched.asked == [0, 1, 0, 1]


async def test_a_block_that_also_stops_the_monitor_thread_is_still_recorded() -> None:
    watched = Watched()
    watched.look(after_s=0)
    watched.clock.now += 30
    await asyncio.sleep(0)

    assert watched.stalls == [Stall(call="unknown", stalled_s=30.0, said=0)]


async def test_a_started_monitor_checks_from_its_own_daemon_thread_until_it_is_stopped() -> None:
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Looking(LoopMonitor):
        def look(self) -> None:
            super().look()
            loop.call_soon_threadsafe(looked.set)

    watch = Looking(on_blocked=lambda _: False, on_over=lambda _: None)
    watch.start()
    await asyncio.wait_for(looked.wait(), timeout=10)
    watch.stop()
    await asyncio.to_thread(watch._thread.join, 10)

    assert watch._thread.daemon
    assert not watch._thread.is_alive()


def test_a_thread_without_a_frame_has_no_call() -> None:
    assert call_of(None) == ""


# --- the reaction of a job -----------------------------------------------------------------------


class Blocked:
    """A RUNNING job whose loop a test blocks."""

    def __init__(self, folder: Path, words: Callable[[], Clip | None]) -> None:
        app = TinyApplication(on_run=run_for_ever, words_while_waiting=words)
        self.rig: Rig = rig(folder, app)
        self.sink = LongSink()
        self.rig.transport.line = HeardLine(self.sink)
        self.rig.job.floor = self.floor = TurnFloor()
        self.clock = Clock()
        self.guard = StallGuard(self.rig.job, clock=self.clock)
        self._living: asyncio.Task[Any] | None = None

    async def begin(self) -> Blocked:
        self._living = asyncio.create_task(self.rig.live())
        await asyncio.sleep(1)
        self.floor.take()
        return self

    async def block(self, *looks_s: float) -> None:
        for after_s in (0.0, *looks_s):
            self.clock.now += after_s
            self.guard.watch.look()
        await asyncio.sleep(0)

    async def end(self) -> None:
        assert self._living is not None
        self.rig.job.life.post(Event.SHUTDOWN_REQUESTED)
        await self._living

    @property
    def fault(self) -> dict[str, Any]:
        (fault,) = self.rig.history.faults
        return dict(fault)


@pytest.mark.looptime
async def test_a_waiting_candidate_hears_a_filler_clip_and_the_block_is_journaled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = await Blocked(tmp_path, lambda: WORDS).begin()
    await blocked.block(STALLED_S, 1.0)

    assert blocked.sink.aside_s == pytest.approx(WORDS.duration_s)
    fault = blocked.fault
    assert (fault["where"], fault["error"]) == ("loop", "LoopStalled")
    assert (fault["stalled_s"], fault["said"]) == (3.0, 1)
    assert re.fullmatch(r"[\w.]+:\w+:\d+( in [\w.]+:\w+:\d+)?", fault["call"])
    (record,) = [each for each in caplog.records if "event loop was blocked" in each.message]
    assert record.levelno == logging.WARNING
    await blocked.end()


@pytest.mark.looptime
async def test_time_blocked_does_not_count_as_silence_of_the_turn(tmp_path: Path) -> None:
    blocked = await Blocked(tmp_path, lambda: WORDS).begin()
    await asyncio.sleep(4.0)
    await blocked.block(STALLED_S)

    assert blocked.floor.quiet_from == asyncio.get_running_loop().time()
    await blocked.end()


def no_candidate(blocked: Blocked) -> None:
    blocked.rig.transport.candidate_is_here = False


def candidates_turn(blocked: Blocked) -> None:
    blocked.floor.give()


def fenced(blocked: Blocked) -> None:
    blocked.rig.transport.line.silence()


def ending(blocked: Blocked) -> None:
    blocked.rig.job.life.post(Event.SHUTDOWN_REQUESTED)


@pytest.mark.looptime
@pytest.mark.parametrize("circumstance", [no_candidate, candidates_turn, fenced, ending])
async def test_no_filler_clip_is_played_unless_a_candidate_is_waiting(
    tmp_path: Path, circumstance: Callable[[Blocked], None]
) -> None:
    blocked = await Blocked(tmp_path, lambda: WORDS).begin()
    circumstance(blocked)
    await asyncio.sleep(0)
    await blocked.block(STALLED_S, 1.0)

    assert blocked.sink.heard.size == blocked.sink.aside_s == 0
    assert blocked.fault["said"] == 0
    await blocked.end()


@pytest.mark.looptime
async def test_no_filler_clip_is_played_over_buffered_audio(tmp_path: Path) -> None:
    blocked = await Blocked(tmp_path, lambda: WORDS).begin()
    playing = asyncio.create_task(blocked.rig.transport.line.play(load_clip(ClipName.CANNOT_GO_ON)))
    await asyncio.sleep(0.1)
    await blocked.block(STALLED_S, 1.0)

    assert blocked.sink.aside_s == 0
    await playing
    assert blocked.sink.heard.size == pytest.approx(
        load_clip(ClipName.CANNOT_GO_ON).duration_s * RATE, abs=1
    )
    await blocked.end()


@pytest.mark.looptime
async def test_a_missing_filler_clip_logs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> Clip:
        raise ClipMissing(ClipName.ONE_MOMENT)

    blocked = await Blocked(tmp_path, lambda: None).begin()
    blocked.rig.app.words_while_waiting = missing
    await blocked.block(STALLED_S)

    said = "the waiting message failed to play while the event loop was blocked: ClipMissing"
    assert said in caplog.messages
    assert blocked.fault["said"] == 0
    await blocked.end()
