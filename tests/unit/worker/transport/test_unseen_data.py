"""Received data of which the SDK reports no event; on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.rtc._proto.stats_pb2 import RtcStats

from tests.support.virtual.async_steps import end
from worker.transport.unseen_data import Figures, UnseenData, received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit import rtc

pytestmark = pytest.mark.looptime


class Connection:
    """A connection to a room that counts what it receives, and reports some of it."""

    def __init__(self) -> None:
        self.figures = Figures()
        self.error: Exception | None = None
        self.found: list[tuple[int, int]] = []
        self.unseen = UnseenData(self._read, lambda *new: self.found.append(new))

    async def _read(self) -> Figures:
        if self.error is not None:
            raise self.error
        return self.figures

    def receives(self, messages: int, *, size: int = 100, reported: bool = False) -> None:
        for _ in range(messages):
            self.figures += Figures(1, size)
            if reported:
                self.reports(1, size=size)

    def reports(self, messages: int, *, size: int = 100) -> None:
        for _ in range(messages):
            self.unseen.seen(size)

    def begins_anew(self) -> None:
        self.figures = Figures()


Watching = Callable[[], Awaitable[Connection]]


@pytest.fixture
async def watching() -> AsyncIterator[Watching]:
    """Yield a function that begins a watch inside the test, where the clock is virtual."""
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> Connection:
        connection = Connection()
        tasks.append(asyncio.create_task(connection.unseen.run()))
        await asyncio.sleep(0.5)
        return connection

    yield begin
    await end(*tasks)


async def test_data_that_no_event_reports_is_found_within_two_readings(watching: Watching) -> None:
    connection = await watching()
    connection.receives(70, size=1_000)
    await asyncio.sleep(2.0)
    assert connection.found == [(70, 70_000)]


async def test_data_that_is_reported_is_not_found(watching: Watching) -> None:
    connection = await watching()
    for _ in range(10):
        connection.receives(100, reported=True)
        await asyncio.sleep(0.7)
    assert connection.found == []


async def test_an_event_may_come_a_second_after_its_packet(watching: Watching) -> None:
    connection = await watching()
    for _ in range(10):
        connection.receives(100)
        await asyncio.sleep(0.9)
        connection.reports(100)
    await asyncio.sleep(2.0)
    assert connection.found == []


async def test_reported_data_hides_none_that_comes_later(watching: Watching) -> None:
    connection = await watching()
    connection.receives(500, reported=True)
    await asyncio.sleep(3.0)
    connection.receives(7)
    await asyncio.sleep(2.0)
    connection.receives(8)
    await asyncio.sleep(5.0)
    assert [messages for messages, _ in connection.found] == [7, 8]


async def test_events_that_are_larger_than_their_packets_find_nothing_by_size(
    watching: Watching,
) -> None:
    connection = await watching()
    connection.receives(100, size=50)
    connection.reports(100, size=500)
    await asyncio.sleep(3.0)
    connection.receives(5, size=1_000)
    await asyncio.sleep(3.0)
    ((messages, size),) = connection.found
    assert messages == 5
    assert size <= 5_000


async def test_packets_that_are_larger_than_their_events_are_no_unseen_messages(
    watching: Watching,
) -> None:
    connection = await watching()
    connection.receives(100, size=500)
    connection.reports(100, size=50)
    await asyncio.sleep(5.0)
    assert connection.found == []


async def test_a_new_connection_counts_from_zero(watching: Watching) -> None:
    connection = await watching()
    connection.receives(200, reported=True)
    await asyncio.sleep(2.0)
    connection.error = RuntimeError("the room isn't connected")
    await asyncio.sleep(3.0)
    connection.error = None
    connection.begins_anew()
    connection.receives(30, reported=True)
    await asyncio.sleep(3.0)
    assert connection.found == []
    connection.receives(70)
    await asyncio.sleep(2.0)
    assert [messages for messages, _ in connection.found] == [70]


async def test_the_figures_of_all_data_channels_of_the_subscriber_are_added() -> None:
    async def get_rtc_stats() -> Any:
        of_subscriber = [RtcStats(), RtcStats(), RtcStats()]
        for each, messages in zip(of_subscriber, (3, 4), strict=False):
            each.data_channel.dc.messages_received = messages
            each.data_channel.dc.bytes_received = messages * 10
        of_subscriber[2].transport.SetInParent()
        of_publisher = RtcStats()
        of_publisher.data_channel.dc.messages_received = 1_000
        return SimpleNamespace(subscriber_stats=of_subscriber, publisher_stats=[of_publisher])

    room = cast("rtc.Room", SimpleNamespace(get_rtc_stats=get_rtc_stats))
    assert await received(room) == Figures(7, 70)
