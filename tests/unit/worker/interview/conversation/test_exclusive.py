"""One block at a time, and no endless wait for a block that hangs; on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from worker.aio.tasks import cancel_and_wait
from worker.interview.conversation.exclusive import _LONGEST_WAIT_S, Exclusive

pytestmark = pytest.mark.looptime


async def block(exclusive: Exclusive, seconds: float, done: list[tuple[float, bool]]) -> None:
    async with exclusive.held() as waited:
        await asyncio.sleep(seconds)
        done.append((asyncio.get_running_loop().time(), waited))


async def test_blocks_run_one_after_the_other_in_their_order() -> None:
    exclusive, done = Exclusive(), list[tuple[float, bool]]()
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(block(exclusive, seconds, done) for seconds in (1.0, 0.5, 0.25)))
    assert [at - began for at, _ in done] == pytest.approx([1.0, 1.5, 1.75])
    assert [waited for _, waited in done] == [False, True, True]


async def test_a_block_that_raises_lets_the_next_one_run() -> None:
    exclusive = Exclusive()
    with pytest.raises(ValueError, match="wrong"):
        async with exclusive.held():
            raise ValueError("wrong")
    async with exclusive.held() as waited:
        assert not waited


async def test_a_cancelled_wait_lets_the_next_one_run() -> None:
    exclusive, done = Exclusive(), list[tuple[float, bool]]()
    tasks = [asyncio.create_task(block(exclusive, 1.0, done)) for _ in range(3)]
    await asyncio.sleep(0.5)
    await cancel_and_wait(tasks[1])
    await asyncio.gather(tasks[0], tasks[2])
    assert len(done) == 2


async def test_a_block_that_hangs_holds_the_others_up_for_a_limited_time() -> None:
    exclusive, done = Exclusive(), list[tuple[float, bool]]()
    began = asyncio.get_running_loop().time()
    hanging = asyncio.create_task(block(exclusive, 1000.0, []))
    await asyncio.sleep(0)
    await block(exclusive, 0.0, done)
    ((at, waited),) = done
    assert at - began == pytest.approx(_LONGEST_WAIT_S)
    assert waited
    # The block that did not wait any longer has not ended the turn of the other one.
    await block(exclusive, 0.0, done)
    assert done[-1][0] - began == pytest.approx(2 * _LONGEST_WAIT_S)
    await cancel_and_wait(hanging)
    async with exclusive.held() as waited:
        assert not waited
