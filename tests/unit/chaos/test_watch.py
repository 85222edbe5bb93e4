"""What a chaos run measures itself: when writes succeeded, and when a slot was free."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.chaos.watch import takes_a_write, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.world import World


def world_with(free_slots: Callable[[], int]) -> World:
    return cast("World", SimpleNamespace(database_url="", free_slots=free_slots))


@pytest.mark.looptime
async def test_failed_writes_and_the_times_without_a_free_slot_are_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writes = iter([True, False, False, True])
    slots = iter([2, 0, 0, 1])
    counted = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def write(_url: str) -> bool:
        return next(writes, True)

    def free_slots() -> int:
        free = next(slots, None)
        if free is None:
            loop.call_soon_threadsafe(counted.set)
        return 1 if free is None else free

    monkeypatch.setattr("tests.chaos.watch.takes_a_write", write)
    async with watching(world_with(free_slots)) as watch:
        await counted.wait()
    assert len(watch.unwritable.spans) == 1
    assert len(watch.no_slot.spans) == 1


@pytest.mark.looptime
async def test_a_broken_observation_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(_url: str) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr("tests.chaos.watch.takes_a_write", write)
    with pytest.raises(RuntimeError, match="broken"):
        async with watching(world_with(lambda: 1)):
            await asyncio.sleep(1)


async def test_a_database_that_refuses_connections_takes_no_write() -> None:
    assert not await takes_a_write("postgresql://postgres@127.0.0.1:1/postgres")
