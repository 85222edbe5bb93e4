"""Redispatch of an interview whose interviewer is gone."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual.memory_leases import CANDIDATE, JOIN_S, MemoryLeases, MemoryRooms
from tests.support.virtual.redispatch_parts import GRACE_S, Passes, rescue_in
from worker.store.errors import DatabaseUnavailable


@pytest.mark.row("B4")
async def test_a_dead_interviewer_is_removed_and_a_new_one_is_dispatched(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.here.add("interviewer-AJ_1")
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.did == ["remove interviewer-AJ_1", "send after AJ_1: LeaseExpired"]
    assert (stranded.claims, len(stranded.dispatches)) == ([2], 1)
    assert await rescue_in(rooms).look(stranded) == 0


@pytest.mark.row("B4")
async def test_no_interviewer_is_dispatched_to_a_room_without_its_candidate(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.here = {"interviewer-AJ_1"}
    assert await rescue_in(rooms).look(stranded) == 0
    assert stranded.claims == []
    rooms.here.add(CANDIDATE)
    assert await rescue_in(rooms).look(stranded) == 1


async def test_a_dead_interviewer_that_cannot_be_removed_does_not_prevent_a_redispatch(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.here.add("interviewer-AJ_1")
    rooms.broken = {"remove"}
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.did == ["send after AJ_1: LeaseExpired"]


async def test_a_new_interviewer_is_told_how_much_time_the_earlier_ones_used(
    stranded: MemoryLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = MemoryRooms()
    assert await rescue_in(rooms).look(stranded) == 1

    async def fail(_: str) -> float:
        raise DatabaseUnavailable("talk_seconds", OSError(), "postgresql://database")

    monkeypatch.setattr(stranded, "spent_s", fail)
    stranded.token, stranded.job, stranded.expires = 5, "AJ_2", 99.0
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.spent_s == [61.5, None]


async def test_an_interviewer_that_has_left_the_room_is_not_removed(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.did == ["send after AJ_1: LeaseExpired"]


async def test_no_dispatch_is_claimed_while_livekit_cannot_list_participants(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.broken = {"people"}
    assert await rescue_in(rooms).look(stranded) == 0
    assert stranded.claims == []
    rooms.broken = set()
    assert await rescue_in(rooms).look(stranded) == 1


async def test_a_failed_dispatch_is_repeated_immediately_with_the_next_token(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.broken = {"send"}
    assert await rescue_in(rooms).look(stranded) == 0
    rooms.broken = set()
    assert await rescue_in(rooms).look(stranded) == 1
    assert stranded.claims == [2, 3]


async def test_an_interviewer_that_never_joins_is_replaced_after_the_join_deadline(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    assert await rescue_in(rooms).look(stranded) == 1
    stranded.now = stranded.seen = stranded.now + JOIN_S - 0.1
    assert await rescue_in(rooms).look(stranded) == 0
    stranded.now = stranded.seen = stranded.now + 0.1
    assert await rescue_in(rooms).look(stranded) == 1
    assert stranded.claims == [2, 3]


async def test_an_interview_ends_when_its_candidate_is_absent_beyond_the_grace_time(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rescuer = rescue_in(rooms)

    async def look_after(seconds: float) -> None:
        passes(seconds)
        await rescuer.look(stranded)

    rooms.here = set()
    await look_after(0)
    await look_after(GRACE_S - 1)
    rooms.here, rooms.broken = {CANDIDATE}, {"send"}
    await look_after(0)
    rooms.here = set()
    await look_after(2)  # gone again
    await look_after(GRACE_S - 1)
    assert not stranded.over
    await look_after(1)
    assert stranded.over
    rooms.here, rooms.broken = {CANDIDATE}, set()
    assert await rescuer.look(stranded) == 0


async def test_a_new_leader_continues_to_count_the_absence_of_a_candidate(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = set()
    await rescue_in(rooms).look(stranded)
    passes(GRACE_S - 1)
    successor = rescue_in(rooms)
    await successor.look(stranded)
    assert not stranded.over
    passes(1)
    await successor.look(stranded)
    assert stranded.over


async def test_an_unknown_interviewer_in_the_room_gets_time_to_take_the_lease(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = {CANDIDATE, "interviewer-AJ_1", "interviewer-AJ_began_without_database"}
    rescuer = rescue_in(rooms)
    assert await rescuer.look(stranded) == 0
    passes(4.9)
    assert await rescuer.look(stranded) == 0
    passes(0.1)
    assert await rescuer.look(stranded) == 1


async def test_a_redispatch_by_another_worker_resets_the_absence_of_the_candidate(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = set()
    watching = rescue_in(rooms)
    await watching.look(stranded)
    rooms.here = {CANDIDATE}
    assert await rescue_in(rooms).look_at(stranded, room="r") == 1  # another worker got the webhook
    rooms.here = set()
    passes(GRACE_S + 1)
    await watching.look(stranded)
    assert not stranded.over


async def test_a_check_of_one_room_may_redispatch_but_never_ends_an_interview(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = set()
    rescuer = rescue_in(rooms)
    assert await rescuer.look_at(stranded, room="r") == 0
    passes(GRACE_S + 1)
    assert await rescuer.look_at(stranded, room="r") == 0
    assert not stranded.over
    rooms.here = {CANDIDATE}
    assert await rescuer.look_at(stranded, room="r") == 1


@pytest.mark.row("B4")
async def test_of_several_simultaneous_checks_exactly_one_redispatches(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    sent = await asyncio.gather(*(rescue_in(rooms).look(stranded) for _ in range(5)))
    assert sum(sent) == 1
