"""The delay of a relay, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.relay import DelayLine

pytestmark = pytest.mark.looptime


class Arrivals:
    """The bytes that were delivered, each with the loop's time."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, bytes]] = []

    def __call__(self, data: bytes) -> None:
        self.seen.append((round(asyncio.get_running_loop().time(), 3), data))


async def test_bytes_arrive_one_delay_after_they_were_put_however_many_are_on_their_way() -> None:
    line, arrivals = DelayLine(0.5), Arrivals()
    began = asyncio.get_running_loop().time()
    for data in (b"a", b"b", b"c"):
        line.put(arrivals, data)
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    assert [(round(at - began, 3), data) for at, data in arrivals.seen] == [
        (0.5, b"a"),
        (0.6, b"b"),
        (0.7, b"c"),
    ]


async def test_a_shorter_delay_does_not_change_the_order() -> None:
    line, arrivals = DelayLine(0.5), Arrivals()
    line.put(arrivals, b"slow")
    line.delay_s = 0
    line.put(arrivals, b"fast")
    assert arrivals.seen == []
    await asyncio.sleep(1)
    assert [data for _, data in arrivals.seen] == [b"slow", b"fast"]


async def test_without_a_delay_bytes_arrive_at_once() -> None:
    line, arrivals = DelayLine(0.0), Arrivals()
    line.put(arrivals, b"now")
    assert [data for _, data in arrivals.seen] == [b"now"]


async def test_a_closed_line_delivers_nothing_more() -> None:
    line, arrivals = DelayLine(0.5), Arrivals()
    line.put(arrivals, b"on its way")
    line.close()
    line.put(arrivals, b"later")
    await asyncio.sleep(1)
    assert arrivals.seen == []
