"""The search for free slots of other workers, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from worker.server.slot_search import SlotSearch
from worker.store.workers import Reserved

pytestmark = pytest.mark.looptime

NO_PEERS = Reserved(workers=0, slots=0)
BUSY_PEERS = Reserved(workers=1, slots=0)


def search(others: Reserved | None, *, is_shared: bool = True, keeps: bool = False) -> SlotSearch:
    async def reserve(wanted: int) -> Reserved | None:
        return others

    return SlotSearch(reserve, is_shared=is_shared, keeps=keeps, longest_s=10.0)


@pytest.mark.parametrize("others", [BUSY_PEERS, None])
async def test_jobs_without_a_slot_are_closed_after_a_limited_wait_that_is_logged_once(
    others: Reserved | None, caplog: pytest.LogCaptureFixture
) -> None:
    slots = search(others)
    closed = []
    for _ in range(3):
        closed.append(slots.must_close(await slots.look(1), 1))
        await asyncio.sleep(5.0)
    assert closed == [False, False, True]
    assert [message.split(",")[0] for message in caplog.messages] == [
        "the drain waits",
        "the remaining interviews are closed",
    ]


@pytest.mark.parametrize(
    ("others", "is_shared"), [(NO_PEERS, True), (NO_PEERS, False), (None, False)]
)
async def test_jobs_are_closed_at_once_if_there_can_be_no_other_worker(
    others: Reserved | None, is_shared: bool, caplog: pytest.LogCaptureFixture
) -> None:
    slots = search(others, is_shared=is_shared)
    assert [slots.must_close(await slots.look(2), 2) for _ in range(2)] == [True, True]
    said = "the remaining interviews are closed, because no other worker can take them over"
    assert caplog.messages == [said, said]


@pytest.mark.parametrize("others", [NO_PEERS, BUSY_PEERS, None])
async def test_kept_jobs_are_never_closed_and_this_is_logged_once(
    others: Reserved | None, caplog: pytest.LogCaptureFixture
) -> None:
    slots = search(others, keeps=True)
    for _ in range(3):
        assert not slots.must_close(await slots.look(1), 1)
        await asyncio.sleep(20.0)
    assert [message.split(",")[0] for message in caplog.messages] == [
        "the remaining interviews continue on this worker"
    ]


async def test_the_wait_begins_with_the_first_look() -> None:
    slots = search(BUSY_PEERS)
    await asyncio.sleep(60.0)
    assert not slots.must_close(await slots.look(1), 1)
    await asyncio.sleep(9.0)
    await slots.look(1)
    assert not slots.must_close(BUSY_PEERS, 1)
    await asyncio.sleep(1.0)
    assert slots.must_close(BUSY_PEERS, 1)


async def test_as_many_slots_are_reserved_as_are_wanted() -> None:
    asked: list[int] = []

    async def reserve(wanted: int) -> Reserved:
        asked.append(wanted)
        return Reserved(workers=1, slots=2)

    slots = SlotSearch(reserve, is_shared=True, keeps=False, longest_s=10.0)
    found = await slots.look(3)
    assert (asked, found) == ([3], Reserved(workers=1, slots=2))
