"""The schedule of checks of rooms that a webhook named, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from worker.aio.tasks import cancel_and_wait
from worker.continuity.room_recheck import RoomRecheckQueue
from worker.store.errors import DatabaseUnavailable

pytestmark = pytest.mark.looptime

AGAIN_S = 3.0


class Looked:
    """Recorded checks, which take a second each, and the number of concurrent ones."""

    def __init__(self) -> None:
        self.at: list[tuple[str, float]] = []
        self.fails: list[Exception] = []
        self.together = self.most = 0
        self.looks = RoomRecheckQueue(self.look, again_s=AGAIN_S)

    async def look(self, room: str) -> None:
        self.at.append((room, round(asyncio.get_running_loop().time(), 1)))
        self.together += 1
        self.most = max(self.most, self.together)
        await asyncio.sleep(1.0)
        self.together -= 1
        if self.fails:
            raise self.fails.pop()

    async def told(self, *rooms: tuple[float, str], until_s: float) -> list[tuple[str, float]]:
        """Run until `until_s` with webhooks at these times, and return the checks."""
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(self.looks.run())
        for at_s, room in rooms:
            loop.call_at(at_s, self.looks.soon, room)
        await asyncio.sleep(until_s - loop.time())
        await cancel_and_wait(running)
        return self.at


async def test_a_room_is_checked_immediately_and_again_after_the_lease_timeout() -> None:
    assert await Looked().told((5.0, "a"), until_s=60) == [("a", 5.0), ("a", 8.0)]


async def test_requests_for_a_room_that_is_already_queued_are_coalesced() -> None:
    many = [(5.0, "a"), (5.1, "b"), *((5.2, "b") for _ in range(100))]
    looked = Looked()
    at = await looked.told(*many, until_s=60)
    assert at == [("a", 5.0), ("b", 6.0), ("a", 8.0), ("b", 9.0)]
    assert looked.most == 1


async def test_the_second_check_is_timed_from_the_last_webhook() -> None:
    at = await Looked().told((5.0, "a"), (7.0, "a"), until_s=60)
    assert at == [("a", 5.0), ("a", 7.0), ("a", 10.0)]


async def test_a_failed_check_does_not_prevent_the_next_ones() -> None:
    looked = Looked()
    looked.fails = [RuntimeError(), DatabaseUnavailable("find_stranded", OSError(), "database")]
    assert await looked.told((5.0, "a"), (5.1, "b"), until_s=60) == [
        ("a", 5.0),
        ("b", 6.0),
        ("a", 8.0),
        ("b", 9.0),
    ]


async def test_no_room_is_checked_after_cancellation() -> None:
    looked = Looked()
    await looked.told((5.0, "a"), until_s=6.5)
    await asyncio.sleep(60)
    assert looked.at == [("a", 5.0)]
