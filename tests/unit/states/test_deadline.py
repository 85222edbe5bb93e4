"""The time limit of a state, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from states.deadline import Deadline

pytestmark = pytest.mark.looptime


class Rig:
    """A deadline, and the seconds at which its time was over."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.spent: list[float] = []
        self.deadline = Deadline(lambda: self.spent.append(round(loop.time() - began, 1)))


async def test_the_time_is_over_once_after_the_limit() -> None:
    rig = Rig()
    rig.deadline.begin(2.0)
    await asyncio.sleep(0.5)
    assert rig.deadline.remaining == pytest.approx(1.5)
    await asyncio.sleep(9.0)
    assert rig.spent == [2.0]
    assert rig.deadline.remaining == 0.0


async def test_without_a_limit_the_time_is_never_over() -> None:
    rig = Rig()
    rig.deadline.begin(2.0)
    rig.deadline.begin(None)
    await asyncio.sleep(9.0)
    assert (rig.spent, rig.deadline.remaining) == ([], None)


async def test_a_limit_is_shortened_and_never_extended() -> None:
    rig = Rig()
    rig.deadline.begin(5.0)
    rig.deadline.shorten(9.0)
    assert rig.deadline.remaining == pytest.approx(5.0)
    rig.deadline.shorten(2.0)
    await asyncio.sleep(9.0)
    assert rig.spent == [2.0]


async def test_a_missing_limit_is_shortened_to_the_given_one() -> None:
    rig = Rig()
    rig.deadline.shorten(2.0)
    await asyncio.sleep(9.0)
    assert rig.spent == [2.0]


async def test_a_limit_that_is_kept_after_its_time_is_over_again_at_once() -> None:
    rig = Rig()
    rig.deadline.begin(2.0)
    await asyncio.sleep(3.0)
    rig.deadline.keep()
    await asyncio.sleep(9.0)
    assert rig.spent == [2.0, 3.0]


async def test_a_stopped_deadline_is_never_over() -> None:
    rig = Rig()
    rig.deadline.begin(2.0)
    rig.deadline.stop()
    await asyncio.sleep(9.0)
    assert rig.spent == []


async def test_no_time_counts_while_the_clock_is_stopped() -> None:
    rig = Rig()
    rig.deadline.begin(5.0)
    await asyncio.sleep(2.0)
    rig.deadline.pause()
    await asyncio.sleep(100.0)
    assert rig.deadline.remaining == pytest.approx(3.0)
    assert rig.spent == []
    rig.deadline.resume()
    await asyncio.sleep(9.0)
    assert rig.spent == [105.0]


async def test_stopping_the_clock_twice_and_resuming_it_twice_changes_nothing_more() -> None:
    rig = Rig()
    rig.deadline.begin(5.0)
    for _ in range(2):
        rig.deadline.pause()
        await asyncio.sleep(1.0)
    for _ in range(2):
        rig.deadline.resume()
        await asyncio.sleep(1.0)
    assert rig.deadline.remaining == pytest.approx(3.0)


async def test_a_stopped_clock_stays_stopped_if_the_limit_is_kept() -> None:
    rig = Rig()
    rig.deadline.begin(2.0)
    rig.deadline.pause()
    rig.deadline.keep()
    await asyncio.sleep(9.0)
    assert rig.deadline.remaining == pytest.approx(2.0)
    assert rig.spent == []


async def test_a_new_limit_and_a_shortened_one_let_the_clock_run() -> None:
    rig = Rig()
    rig.deadline.begin(5.0)
    rig.deadline.pause()
    rig.deadline.begin(1.0)
    await asyncio.sleep(1.0)
    rig.deadline.begin(5.0)
    rig.deadline.pause()
    rig.deadline.shorten(2.0)
    await asyncio.sleep(9.0)
    assert rig.spent == [1.0, 3.0]


@pytest.mark.parametrize("stopped", [False, True])
async def test_spent_seconds_are_taken_off_and_the_clock_stays_as_it_is(stopped: bool) -> None:
    rig = Rig()
    rig.deadline.begin(5.0)
    if stopped:
        rig.deadline.pause()
    rig.deadline.spend(3.0)
    assert rig.deadline.remaining == pytest.approx(2.0)
    await asyncio.sleep(9.0)
    assert rig.spent == ([] if stopped else [2.0])


async def test_more_seconds_than_are_left_end_the_limit_at_once() -> None:
    rig = Rig()
    rig.deadline.begin(5.0)
    rig.deadline.spend(100.0)
    await asyncio.sleep(1.0)
    assert (rig.spent, rig.deadline.remaining) == ([0.0], 0.0)


async def test_without_a_limit_there_is_nothing_to_stop_or_to_spend() -> None:
    rig = Rig()
    rig.deadline.pause()
    rig.deadline.spend(1.0)
    rig.deadline.resume()
    assert rig.deadline.remaining is None
