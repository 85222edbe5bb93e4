"""Redispatch of many interviews: pages of claims, and the order of claims and participants."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace

import pytest

from tests.support.virtual.async_steps import end
from tests.support.virtual.memory_leases import CANDIDATE, MemoryRooms
from tests.support.virtual.redispatch_parts import HangingRooms, ManyLeases, rescue_in
from worker.continuity import candidate_check, redispatch
from worker.store.orphans import NOT_TAKEN


async def test_the_next_page_is_claimed_while_the_dispatches_of_a_page_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redispatch, "AT_A_TIME", 1)
    ledger, rooms = ManyLeases(3, at_a_time=1), HangingRooms()
    looking = asyncio.create_task(rescue_in(rooms).look(ledger))
    async with asyncio.timeout(5):
        await rooms.all_sending(3)
    assert ledger.claimed == ["iv-0", "iv-1", "iv-2"]
    rooms.answer.set()
    assert await looking == 3


async def test_no_further_page_is_claimed_while_the_dispatches_of_three_pages_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a claim would wait so long that another worker takes its dispatch for lost."""
    monkeypatch.setattr(redispatch, "AT_A_TIME", 1)
    ledger, rooms = ManyLeases(5, at_a_time=1), HangingRooms()
    looking = asyncio.create_task(rescue_in(rooms).look(ledger))
    async with asyncio.timeout(5):
        await rooms.all_sending(3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert ledger.claimed == ["iv-0", "iv-1", "iv-2"]
        rooms.answer.set()
        assert await looking == 5


async def test_a_cancelled_check_gives_back_what_it_has_claimed() -> None:
    ledger, rooms = ManyLeases(2), HangingRooms()
    looking = asyncio.create_task(rescue_in(rooms).look(ledger))
    async with asyncio.timeout(5):
        await rooms.all_sending(2)
        await end(looking)
        await ledger.all_given_back.wait()
    assert ledger.given_back == ["iv-0", "iv-1"]


class StaleRooms(MemoryRooms):
    """Rooms whose numbers of participants still count a candidate who has left."""

    async def counts(self, rooms: Collection[str]) -> dict[str, int]:
        return dict.fromkeys(rooms, 1)


async def test_many_expired_leases_are_claimed_before_the_participants_are_listed() -> None:
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.broken = {"people"}
    assert await rescue_in(rooms).look(ledger) == 0
    assert ledger.claimed == ledger.given_back == list(ledger.whys)
    assert [(look.absent, look.token) for look in ledger.looks] == [(False, 2)] * 5
    # Afterwards they are claimed only if the candidates are known to be there.
    assert await rescue_in(rooms).look(ledger) == 0
    assert len(ledger.claimed) == 5


async def test_many_expired_leases_are_followed_and_dead_interviewers_removed() -> None:
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.here.add("interviewer-AJ_old")
    assert await rescue_in(rooms).look(ledger) == 5
    assert ledger.sent == list(ledger.whys)
    assert rooms.did.count("remove interviewer-AJ_old") == 5
    assert rooms.did.count("send after AJ_old: LeaseExpired") == 5
    assert (ledger.given_back, ledger.looks) == ([], [])


@pytest.mark.row("B4")
async def test_a_claim_is_given_back_without_a_dispatch_if_the_candidate_is_absent() -> None:
    ledger, rooms = ManyLeases(5), StaleRooms()
    rooms.here = set()
    rescuer = rescue_in(rooms)
    assert await rescuer.look(ledger) == 0
    assert ledger.given_back == list(ledger.whys)
    assert [(look.absent, look.token) for look in ledger.looks] == [(True, 2)] * 5
    assert await rescuer.look(ledger) == 0
    assert len(ledger.claimed) == 5
    rooms.here = {CANDIDATE}
    assert await rescuer.look(ledger) == 5


async def test_a_claim_is_given_back_while_an_unknown_interviewer_may_take_the_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(candidate_check, "time", SimpleNamespace(monotonic=lambda: now_s))
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.here = {CANDIDATE, "interviewer-AJ_began_without_database"}
    rescuer = rescue_in(rooms)
    assert await rescuer.look(ledger) == 0
    assert ledger.given_back == list(ledger.whys)
    now_s += 4.9
    assert await rescuer.look(ledger) == 0
    now_s += 0.2
    assert await rescuer.look(ledger) == 5


async def test_of_many_other_interviews_the_participants_are_listed_before_a_claim() -> None:
    ledger, rooms = ManyLeases(5, why=NOT_TAKEN), StaleRooms()
    rooms.here = set()
    assert await rescue_in(rooms).look(ledger) == 0
    assert ledger.claimed == []
    assert [(look.absent, look.token) for look in ledger.looks] == [(True, 1)] * 5


async def test_the_participants_of_rooms_that_do_not_exist_are_not_listed() -> None:
    class NoRooms(MemoryRooms):
        async def counts(self, rooms: Collection[str]) -> dict[str, int]:
            return {}

    ledger, rooms = ManyLeases(5), NoRooms()
    rooms.broken = {"people"}
    assert await rescue_in(rooms).look(ledger) == 0
    assert ledger.claimed == []
    assert [look.absent for look in ledger.looks] == [True] * 5


async def test_nothing_is_claimed_while_livekit_cannot_count_the_participants() -> None:
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.broken = {"counts"}
    assert await rescue_in(rooms).look(ledger) == 0
    assert (ledger.claimed, ledger.looks) == ([], [])
