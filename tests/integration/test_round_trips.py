"""How many round trips to the server an operation costs, counted on the wire."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.database.job_records import JobRecords, header
from tests.support.database.lease_times import LEASE_S, SCOPE
from tests.support.wire import CountingProxy
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.database import Database
from worker.store.errors import DatabaseError
from worker.store.heartbeat import WorkerRow, beat, note_contact
from worker.store.interviews import create_interview
from worker.store.jobs import ship
from worker.store.leases import keep_lease, take_lease
from worker.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from worker.store.connection import Connection


@pytest.fixture
async def wire(empty_database_url: str) -> AsyncIterator[CountingProxy]:
    async with CountingProxy(empty_database_url) as wire:
        yield wire


@pytest.fixture
async def db(wire: CountingProxy) -> AsyncIterator[Database]:
    """Yield a database behind the wire, with one open connection and the table `things`."""
    db = await Database.open(wire.url)
    await db.run("make", lambda c: c.execute("CREATE TABLE things (name text)"))
    yield db
    await db.aclose()


async def cost(wire: CountingProxy, operation: Awaitable[object]) -> int:
    """Return how many round trips the operation has cost."""
    before = wire.round_trips
    await operation
    return wire.round_trips - before


async def insert(connection: Connection) -> None:
    await connection.execute("INSERT INTO things VALUES ($1)", "chair")


@pytest.mark.parametrize(
    ("query", "args"),
    [
        ("SELECT name FROM things WHERE name = $1", ("chair",)),
        ("INSERT INTO things SELECT * FROM unnest($1::text[])", (["chair", "table"],)),
        ("UPDATE things SET name = $1 RETURNING name", ("table",)),
        ("SELECT 1", ()),
    ],
    ids=["read", "write", "write and read", "without arguments"],
)
async def test_a_single_statement_costs_two(
    wire: CountingProxy, db: Database, query: str, args: tuple[object, ...]
) -> None:
    assert await cost(wire, db.fetch("one", query, *args)) == 2


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", True),
        ("integer", 1),
        ("bigint", 2**40),
        ("float8", 0.5),
        ("timestamptz", datetime(2026, 1, 2, tzinfo=UTC)),
        ("jsonb", '{"a": 1}'),
    ],
)
async def test_an_array_costs_no_more_at_its_first_use_on_a_connection(
    wire: CountingProxy, db: Database, kind: str, value: object
) -> None:
    """asyncpg would ask the server about the type, which costs six round trips."""
    query = f"SELECT $1::{kind}[] AS found"
    assert await cost(wire, db.fetch("array", query, [value, None])) == 2
    assert (await db.fetch("array", query, [value, None]))[0]["found"] == [value, None]


async def test_a_transaction_costs_two_and_each_statement_in_it_two(
    wire: CountingProxy, db: Database
) -> None:
    async def twice(connection: Connection) -> None:
        await insert(connection)
        await insert(connection)

    assert await cost(wire, db.run("insert", insert)) == 4
    assert await cost(wire, db.run("twice", twice)) == 6


async def test_a_transaction_on_a_writable_server_costs_no_more(
    wire: CountingProxy, db: Database
) -> None:
    assert await cost(wire, db.run("insert", insert, writable=True)) == 4


async def test_a_ping_costs_two(wire: CountingProxy, db: Database) -> None:
    assert await cost(wire, db.ping()) == 2


async def test_a_statement_that_is_run_often_costs_two_and_then_one_on_each_connection(
    wire: CountingProxy, db: Database
) -> None:
    query = "INSERT INTO things SELECT * FROM unnest($1::text[]) RETURNING name"
    costs = [await cost(wire, db.fetch("often", query, [name], often=True)) for name in "abc"]
    assert costs == [2, 1, 1]
    rows = await db.fetch("often", query, ["d", "e"], often=True)
    assert [row["name"] for row in rows] == ["d", "e"]


async def test_other_statements_between_the_runs_change_nothing(
    wire: CountingProxy, db: Database
) -> None:
    """The statement has no name on the server, so each other statement replaces it there."""
    query = "SELECT $1::text || $2::integer AS found"
    for n in range(3):
        (row,) = await db.fetch("often", query, "n", n, often=True)
        assert row["found"] == f"n{n}"
        await db.fetch("one", "SELECT name FROM things WHERE name = $1", "chair")
        await db.run("insert", insert)


async def test_a_statement_whose_columns_have_changed_is_described_again(
    wire: CountingProxy, db: Database
) -> None:
    query = "SELECT * FROM things WHERE name <> $1"
    await db.run("insert", insert)
    await db.fetch("often", query, "table", often=True)
    await db.run("alter", lambda c: c.execute("ALTER TABLE things ADD COLUMN legs integer"))
    with contextlib.suppress(DatabaseError):
        await db.fetch("often", query, "table", often=True, budget_s=2.0)
    (row,) = await db.fetch("often", query, "table", often=True)
    assert dict(cast("Any", row)) == {"name": "chair", "legs": None}


async def test_a_renewal_and_a_jobs_own_check_cost_one_after_the_first_on_a_connection(
    wire: CountingProxy, db: Database
) -> None:
    await migrate(db)
    await create_interview(db, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    row = WorkerRow(takes_jobs=True, free_slots=3)

    async def costs() -> dict[str, int]:
        return {
            "take": await cost(wire, take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)),
            "renewal": await cost(
                wire,
                beat(
                    db,
                    ["AJ_1"],
                    worker_id="w1",
                    scope=SCOPE,
                    lease_s=LEASE_S,
                    every_s=0.5,
                    row=row,
                ),
            ),
            "check": await cost(
                wire, keep_lease(db, "one", job_id="AJ_1", token=1, lease_s=LEASE_S)
            ),
            "contact": await cost(wire, note_contact(db, lease_s=LEASE_S, every_s=0.5)),
        }

    first, second = await costs(), await costs()
    assert first == dict.fromkeys(first, 2)
    assert second == dict.fromkeys(second, 1)


async def test_a_shipped_turn_costs_two(wire: CountingProxy, db: Database) -> None:
    await migrate(db)
    await create_interview(db, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    await take_lease(db, "one", job_id="AJ_1", lease_s=LEASE_S)
    journal = JobRecords()
    journal.said("candidate", "My answer.")
    assert await cost(wire, ship(db, header("AJ_1"), journal.records)) == 2
