"""Slots that draining workers reserve at their peers, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import asyncpg
import pytest

from tests.support.database.lease_times import passes
from tests.support.database.worker_rows import Peers, other_workers
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database
from worker.store.interviews import create_interview
from worker.store.workers import Reserved, can_be_followed, drop_stale_workers, reserve_slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

#: Seconds for which the tests reserve slots.
FOR_S: Final = 20.0
#: Maximum seconds to wait for statements that wait for a lock.
LOCKED_WITHIN_S: Final = 20.0
DRAINING: Final = tuple(f"draining-{number}" for number in range(5))


async def peer(
    db: Database,
    worker_id: str,
    free_slots: int,
    *,
    takes_jobs: bool = True,
    name: str = "interviewer",
    livekit_url: str | None = "wss://one",
) -> None:
    """Write the row of a live worker without reservations."""
    write = (
        "INSERT INTO workers (worker_id, agent_name, takes_jobs, free_slots, livekit_url)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (worker_id) DO UPDATE SET"
        " seen = clock_timestamp(), takes_jobs = $3, free_slots = $4,"
        " reserved = 0, reserved_until = NULL"
    )
    values = worker_id, name, takes_jobs, free_slots, livekit_url
    await db.run("peer", lambda connection: connection.execute(write, *values))


async def reserve(db: Database, wanted: int, *, besides: str = "me") -> Reserved:
    return await reserve_slots(
        db,
        "interviewer",
        besides=besides,
        wanted=wanted,
        for_s=FOR_S,
        fresh_s=60.0,
        livekit_url="wss://one",
    )


async def reserved(db: Database) -> dict[str, int]:
    """Return the reserved slots of each worker that has any."""
    read = "SELECT worker_id, reserved FROM workers WHERE reserved > 0"
    rows = await db.run("reserved", lambda connection: connection.fetch(read))
    return {row["worker_id"]: row["reserved"] for row in rows}


@pytest.fixture
async def session(migrated_database_url: str) -> AsyncIterator[Any]:
    """Yield a connection to the test's database that no pool uses."""
    connection = await asyncpg.connect(migrated_database_url)
    yield connection
    await connection.close()


async def wait_for_locks(session: Any, number: int) -> None:
    """Wait until `number` statements of the test's database wait for a lock."""
    count = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(LOCKED_WITHIN_S):
        while await session.fetchval(count) < number:
            pass  # each query gives the other tasks their turn


# --- one worker that drains -----------------------------------------------------------------------


async def test_at_most_the_free_slots_are_reserved_and_a_reserved_slot_is_not_free(
    database: Database,
) -> None:
    await peer(database, "a", 3)
    assert await reserve(database, 2) == Reserved(workers=1, slots=2)
    assert await reserve(database, 2) == Reserved(workers=1, slots=1)
    assert await reserve(database, 2) == Reserved(workers=1, slots=0)
    assert await reserved(database) == {"a": 3}


async def test_slots_are_reserved_in_proportion_to_what_each_peer_has(database: Database) -> None:
    for worker_id, free_slots in (("a", 8), ("b", 4), ("c", 0), ("d", 1)):
        await peer(database, worker_id, free_slots)
    assert await reserve(database, 6) == Reserved(workers=4, slots=6)
    spread = await reserved(database)
    assert spread["a"] in (3, 4)
    assert spread["b"] in (1, 2)
    assert sum(spread.values()) == 6
    assert await reserve(database, 100) == Reserved(workers=4, slots=7)
    assert await reserved(database) == {"a": 8, "b": 4, "d": 1}


async def test_a_worker_that_wants_no_slot_only_counts_its_peers(database: Database) -> None:
    await peer(database, "a", 3)
    assert await reserve(database, 0) == Reserved(workers=1, slots=0)
    assert await reserved(database) == {}


async def test_without_peers_no_slot_is_reserved(database: Database) -> None:
    await peer(database, "me", 3)
    assert await reserve(database, 2) == Reserved(workers=0, slots=0)


async def test_slots_are_reserved_only_where_the_interview_can_go(database: Database) -> None:
    await peer(database, "draining", 3, takes_jobs=False)
    await peer(database, "receptionist", 3, name="receptionist")
    await peer(database, "elsewhere", 3, livekit_url="wss://two")
    await peer(database, "unknown", 1, livekit_url=None)
    assert await reserve(database, 9) == Reserved(workers=2, slots=1)
    assert await reserved(database) == {"unknown": 1}


async def test_a_worker_without_a_heartbeat_has_no_slots(database: Database) -> None:
    await peer(database, "a", 3)
    await passes(database, "workers", "seen", 60.1)
    assert await reserve(database, 2) == Reserved(workers=0, slots=0)


async def test_a_reservation_ends_after_its_time(database: Database) -> None:
    await peer(database, "a", 3)
    await reserve(database, 2)
    await passes(database, "workers", "reserved_until", FOR_S / 2)
    assert await reserve(database, 9) == Reserved(workers=1, slots=1)
    # The second reservation has begun its own time, and prolongs the first one.
    await passes(database, "workers", "reserved_until", FOR_S / 2)
    assert await reserve(database, 9) == Reserved(workers=1, slots=0)
    await passes(database, "workers", "reserved_until", FOR_S / 2)
    assert await reserve(database, 9) == Reserved(workers=1, slots=3)


async def test_a_clock_set_back_does_not_keep_slots_reserved(database: Database) -> None:
    await peer(database, "a", 3)
    await reserve(database, 3)
    await passes(database, "workers", "reserved_until", -3600)
    assert await reserve(database, 2) == Reserved(workers=1, slots=2)
    assert await reserve(database, 2) == Reserved(workers=1, slots=1)


# --- several workers that drain at the same time --------------------------------------------------


async def test_five_workers_that_drain_at_the_same_time_never_get_the_same_slot(
    database: Database,
) -> None:
    """Defect 10: all of them counted the same free slots, and handed 20 interviews over to 4."""
    for worker_id in DRAINING:
        await peer(database, worker_id, 0, takes_jobs=False)
    for free_slots in (4, 4, 4, 7, 13, 20, 40):
        for worker_id, share in (("a", free_slots // 3), ("b", free_slots - free_slots // 3)):
            await peer(database, worker_id, share)
        got = await asyncio.gather(*(reserve(database, 4, besides=each) for each in DRAINING))
        assert sum(each.slots for each in got) == min(free_slots, 20)
        assert max(each.slots for each in got) <= 4
        assert {each.workers for each in got} == {6}
        assert sum((await reserved(database)).values()) == min(free_slots, 20)


async def test_a_worker_that_waited_for_the_rows_counts_what_the_other_one_has_reserved(
    database: Database, migrated_database_url: str, session: Any
) -> None:
    """The statement began before the other reservation was committed, and still sees it."""
    await peer(database, "a", 5)
    holder = await asyncpg.connect(migrated_database_url)
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute(
            "UPDATE workers SET reserved = 3, reserved_until = clock_timestamp() + interval '20 s'"
        )
        draining = [
            asyncio.create_task(reserve(database, 4, besides=each)) for each in DRAINING[:3]
        ]
        await wait_for_locks(session, 3)
        await transaction.commit()
        got = await asyncio.gather(*draining)
    finally:
        await holder.close()
    assert sum(each.slots for each in got) == 2
    assert await reserved(database) == {"a": 5}


async def test_a_heartbeat_that_comes_first_is_counted(
    database: Database, migrated_database_url: str, session: Any
) -> None:
    """A peer reports a used slot while another worker counts the slots."""
    await peer(database, "a", 4)
    holder = await asyncpg.connect(migrated_database_url)
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("UPDATE workers SET seen = clock_timestamp(), free_slots = 1")
        draining = asyncio.create_task(reserve(database, 4))
        await wait_for_locks(session, 1)
        await transaction.commit()
        assert await draining == Reserved(workers=1, slots=1)
    finally:
        await holder.close()


async def test_workers_that_drain_at_the_same_time_do_not_deadlock(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Every statement locks the peers in the same order, so none is ended as a deadlock victim."""
    workers = [f"w{number}" for number in range(8)]
    for worker_id in workers:
        await peer(database, worker_id, 3)
    for _ in range(10):
        await asyncio.gather(*(reserve(database, 1, besides=each) for each in workers))
    # The victim of a deadlock would be tried again.
    assert "database_retry" not in [getattr(record, "event", "") for record in caplog.records]


# --- what else counts reservations ----------------------------------------------------------------


async def test_reserved_slots_are_not_counted_as_free(database: Database) -> None:
    await peer(database, "a", 3)
    await reserve(database, 2)
    assert await other_workers(database, "interviewer", besides="me", fresh_s=60.0) == Peers(
        workers=1, seats=1
    )


@pytest.fixture
async def held(database: Database) -> Database:
    """Return a database in which the job AJ_1 of the worker `mine` holds a lease."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    take = (
        "INSERT INTO leases (interview_id, job_id, token, worker_id, lease_s, expires)"
        " VALUES ('one', 'AJ_1', 1, 'mine', 3, clock_timestamp() + interval '3 s')"
    )
    await database.run("take", lambda connection: connection.execute(take))
    return database


async def followed(db: Database, failed_tries: int | None = None) -> bool:
    return await can_be_followed(
        db,
        "AJ_1",
        agent_name="interviewer",
        fresh_s=60.0,
        failed_tries=failed_tries,
        livekit_url="wss://one",
    )


async def test_a_job_is_not_followed_on_slots_that_are_reserved_for_others(
    held: Database,
) -> None:
    await peer(held, "a", 1)
    assert await followed(held)
    await reserve(held, 1, besides="draining")
    assert not await followed(held)
    await peer(held, "a", 2)
    await reserve(held, 1, besides="draining")
    assert await followed(held)


async def test_a_job_is_not_followed_by_a_worker_of_another_livekit_server(
    held: Database,
) -> None:
    await peer(held, "elsewhere", 1, livekit_url="wss://two")
    assert not await followed(held)


async def test_the_own_worker_follows_a_failed_job_even_if_its_slots_are_reserved(
    held: Database,
) -> None:
    await peer(held, "mine", 1)
    await reserve(held, 1, besides="draining")
    assert not await followed(held)
    assert await followed(held, failed_tries=4)


# --- rows of workers that are gone ----------------------------------------------------------------


async def test_a_stale_row_that_another_statement_holds_is_left_for_the_next_time(
    database: Database, session: Any
) -> None:
    for worker_id in ("a", "b", "c"):
        await peer(database, worker_id, 1)
    await passes(database, "workers", "seen", 61)
    await peer(database, "c", 1)
    async with session.transaction():
        await session.execute("SELECT FROM workers WHERE worker_id = 'a' FOR UPDATE")
        assert await drop_stale_workers(database) == 1
    assert await drop_stale_workers(database) == 1
    assert await drop_stale_workers(database) == 0
    assert await reserve(database, 1) == Reserved(workers=1, slots=1)


async def test_a_worker_that_comes_back_while_its_row_is_dropped_is_written_again(
    database: Database,
) -> None:
    await peer(database, "a", 1)
    await passes(database, "workers", "seen", 61)
    drops = [drop_stale_workers(database) for _ in range(3)]
    await asyncio.gather(*drops, peer(database, "a", 2))
    assert await reserve(database, 2) == Reserved(workers=1, slots=2)
