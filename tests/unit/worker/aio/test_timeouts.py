"""Waiting with a time limit, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual.async_steps import (
    broken,
    cancelled_inside,
    deaf,
    end_what_is_left,
    for_ever,
)
from worker.aio.timeouts import CancelledInside, run_with_timeout

pytestmark = pytest.mark.looptime


async def test_a_call_that_ends_in_time_returns_its_result() -> None:
    assert await run_with_timeout(asyncio.sleep(1.0, result="done"), 2.0) == "done"


async def test_a_hanging_call_is_cancelled_when_its_budget_is_spent() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await run_with_timeout(for_ever(), 2.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)


async def test_a_call_that_ignores_cancellation_is_abandoned() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await run_with_timeout(deaf(), 2.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
    await end_what_is_left()


async def test_an_error_of_the_call_propagates() -> None:
    with pytest.raises(ValueError, match="hello"):
        await run_with_timeout(broken(), 2.0)


async def test_a_call_that_cancels_itself_raises_an_error_and_does_not_cancel_the_caller() -> None:
    with pytest.raises(CancelledInside):
        await run_with_timeout(cancelled_inside(), 2.0)


async def test_cancelling_the_caller_cancels_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await for_ever()
        finally:
            ended.set()

    caller = asyncio.create_task(run_with_timeout(work(), 60.0))
    await asyncio.sleep(1.0)
    caller.cancel()
    await asyncio.wait({caller})
    assert caller.cancelled()
    await ended.wait()
