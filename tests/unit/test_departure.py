"""How a worker goes away, on virtual time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from job_parts import settings_in

from states import BUDGETS, State
from worker.departure import Departure
from worker.job import HANDOVER_WORD, WORKERS_WORD

if TYPE_CHECKING:
    import signal
    from collections.abc import Collection
    from pathlib import Path

pytestmark = pytest.mark.looptime


class Leaving:
    """A worker with jobs that leave so many seconds after a word; those that are deaf stay."""

    def __init__(self, folder: Path, *jobs: str, **variables: Any) -> None:
        self.running = list(jobs)
        self.seats: int | None = 0
        self.deaf: set[str] = set()
        self.all_gone = asyncio.Event()
        self.told: list[tuple[signal.Signals, tuple[str, ...], float]] = []
        self.departure = Departure(
            settings_in(folder, **variables),
            self,
            jobs=lambda: list(self.running),
            successors=self.successors,
        )

    async def successors(self) -> int | None:
        return self.seats

    async def drain(self, timeout: int | None = None) -> None:  # noqa: ASYNC109  # the framework's
        if self.running:
            await self.all_gone.wait()

    def tell_jobs(self, word: signal.Signals, jobs: Collection[str]) -> None:
        now = asyncio.get_running_loop().time()
        self.told.append((word, tuple(jobs), round(now)))
        for job in set(jobs) - self.deaf:
            asyncio.get_running_loop().call_later(3.0, self.end, job)

    def end(self, job: str) -> None:
        if job in self.running:
            self.running.remove(job)
        if not self.running:
            self.all_gone.set()

    async def gone_after(self) -> float:
        """Seconds until the worker waits for nobody any more."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.departure.run()
        return loop.time() - began


async def test_interviews_that_finish_in_the_drain_time_are_told_nothing(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", "b", INTERVIEW_DRAIN_S=60)
    for at_s, job in ((10, "a"), (20, "b")):
        asyncio.get_running_loop().call_later(at_s, worker.end, job)
    assert await worker.gone_after() == pytest.approx(20, abs=0.2)
    assert worker.told == []


async def test_what_runs_when_the_time_is_up_is_handed_over(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", "b", INTERVIEW_DRAIN_S=60)
    worker.seats = 5
    assert await worker.gone_after() == pytest.approx(63, abs=0.2)
    assert worker.told == [(HANDOVER_WORD, ("a", "b"), 60)]


async def test_a_second_stop_hands_over_now(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=3600)
    worker.seats = 1
    asyncio.get_running_loop().call_later(5, worker.departure.hurry)
    assert await worker.gone_after() == pytest.approx(8, abs=0.2)
    assert worker.told == [(HANDOVER_WORD, ("a",), 5)]


async def test_without_any_drain_time_everything_is_handed_over_at_once(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.seats = 1
    assert await worker.gone_after() == pytest.approx(3, abs=0.2)
    assert worker.told == [(HANDOVER_WORD, ("a",), 0)]


@pytest.mark.parametrize("seats", [0, None])
async def test_where_nobody_else_is_there_it_says_so_and_closes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seats: int | None
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=10)
    worker.seats = seats
    assert await worker.gone_after() == pytest.approx(13, abs=0.2)
    assert worker.told == [(WORKERS_WORD, ("a",), 10)]
    assert "no other worker takes these interviews: they are closed" in caplog.messages


async def test_as_many_are_handed_over_as_the_others_have_room_for(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", "b", "c", INTERVIEW_DRAIN_S=10)
    worker.seats = 2
    await worker.gone_after()
    assert worker.told == [(HANDOVER_WORD, ("a", "b"), 10), (WORKERS_WORD, ("c",), 10)]


async def test_interviews_that_are_to_be_kept_are_handed_over_once_somebody_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Leaving(tmp_path, "a", "b", INTERVIEW_DRAIN_S=10, INTERVIEW_NO_SUCCESSOR="keep")
    loop = asyncio.get_running_loop()
    loop.call_later(30, worker.end, "a")
    loop.call_later(100, setattr, worker, "seats", 1)
    assert await worker.gone_after() == pytest.approx(103, abs=2.1)
    ((word, jobs, _),) = worker.told
    assert (word, jobs) == (HANDOVER_WORD, ("b",))
    said = "no other worker takes these interviews: they go on here"
    assert caplog.messages.count(said) == 1


async def test_interviews_that_are_to_be_kept_are_ended_by_a_third_stop(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=3600, INTERVIEW_NO_SUCCESSOR="keep")
    loop = asyncio.get_running_loop()
    loop.call_later(5, worker.departure.hurry)
    loop.call_later(50, worker.departure.hurry)
    assert await worker.gone_after() == pytest.approx(53, abs=0.2)
    assert worker.told == [(WORKERS_WORD, ("a",), 50)]


async def test_a_third_stop_hurries_those_that_are_leaving_already(tmp_path: Path) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.seats, worker.deaf = 1, {"a"}
    asyncio.get_running_loop().call_later(1, worker.departure.hurry)
    asyncio.get_running_loop().call_later(2, worker.departure.hurry)
    await worker.gone_after()
    assert [word for word, _, _ in worker.told] == [HANDOVER_WORD, WORKERS_WORD]


@pytest.mark.parametrize(("seats", "longest_s"), [(1, BUDGETS[State.CLOSING] + 5), (0, 7.0 + 5)])
async def test_a_job_that_does_not_go_is_not_waited_for_longer_than_closing_takes(
    tmp_path: Path, seats: int, longest_s: float
) -> None:
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=0)
    worker.seats, worker.deaf = seats, {"a"}
    assert await worker.gone_after() <= longest_s + 2.1
    assert worker.running == ["a"]


async def test_the_drain_is_told_of_while_it_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = Leaving(tmp_path, "a", INTERVIEW_DRAIN_S=60)
    assert worker.departure.left_s is None
    asyncio.get_running_loop().call_later(12, worker.end, "a")
    going = asyncio.create_task(worker.gone_after())
    await asyncio.sleep(6)
    assert worker.departure.left_s == pytest.approx(54, abs=0.1)
    await going
    told = [(each.jobs, each.left_s) for each in caplog.records if each.msg == "still draining"]  # type: ignore[attr-defined]
    assert told == [(1, 55), (1, 50)]
