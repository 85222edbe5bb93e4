"""`Database` on a real PostgreSQL: its connections, budgets and retries."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest

from tests.support.database.database_urls import through
from worker.store import pool_statements
from worker.store.database import Database, PoolLimits
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.url import DatabaseUrlInvalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.stand_ins.tcp_proxy import TcpProxy
    from worker.store.connection import Connection

#: Limits of a pool with one connection. A busy machine does not exceed the times, so the pool never
#: replaces the connection because the server was slow.
PATIENT: Final = PoolLimits(
    size=1, overflow=0, acquire_timeout_s=60, statement_timeout_s=60, verify_timeout_s=60
)
#: A statement that sends a notice when the server runs it, and then does not end.
ENDLESS: Final = "DO $$ BEGIN RAISE NOTICE 'runs'; PERFORM pg_sleep(600); END $$"


@pytest.fixture
def proxied_url(proxy: TcpProxy, empty_database_url: str) -> str:
    """Return the URL of a database behind the proxy."""
    return through(proxy, empty_database_url)


@asynccontextmanager
async def opened(url: str, limits: PoolLimits | None = None) -> AsyncIterator[Database]:
    db = await Database.open(url, limits)
    try:
        yield db
    finally:
        await db.aclose(budget_s=0.5)


async def one(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT 1"))


async def burst(db: Database, operations: int) -> None:
    """Run `operations` concurrent operations, each on its own connection."""
    all_here = asyncio.Barrier(operations)

    async def hold(connection: Connection) -> None:
        await all_here.wait()
        await one(connection)

    await asyncio.gather(*(db.run("hold", hold) for _ in range(operations)))


async def backends(url: str) -> set[int]:
    """Return the PIDs of the server's processes for this database, without the querying one."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return {row["pid"] for row in rows}
    finally:
        await connection.close()


# --- number of connections ----------------------------------------------------------------------


async def test_a_process_that_never_used_the_database_holds_no_connection(
    empty_database_url: str,
) -> None:
    async with opened(empty_database_url) as db:
        assert (db.use().connections, db.use().most) == (0, 10)
        assert await backends(empty_database_url) == set()


@pytest.mark.row("S10")
async def test_connections_are_opened_only_as_needed(empty_database_url: str) -> None:
    async with opened(empty_database_url) as db:
        for _ in range(3):
            await db.run("one", one)
        assert (db.use().connections, db.use().idle) == (1, 1)
        await burst(db, 3)
        assert (db.use().connections, db.use().idle) == (3, 3)


@pytest.mark.row("S10")
async def test_at_most_size_plus_overflow_connections_work_at_once(empty_database_url: str) -> None:
    all_here = asyncio.Barrier(3)
    running = 0

    async def hold(connection: Connection) -> None:
        nonlocal running
        running += 1
        assert running <= 3
        await all_here.wait()
        await one(connection)
        running -= 1

    async with opened(empty_database_url, PoolLimits(size=2, overflow=1)) as db:
        await asyncio.gather(*(db.run("hold", hold) for _ in range(12)))
        assert (db.use().connections, db.use().idle) == (3, 3)


@pytest.mark.row("S10")
async def test_idle_overflow_connections_are_closed_and_the_others_kept(
    empty_database_url: str,
) -> None:
    async with opened(empty_database_url, PoolLimits(overflow_idle_s=0.05)) as db:
        await burst(db, 10)
        while db.use().connections > 5:  # noqa: ASYNC110 - asyncpg has no event for this
            await asyncio.sleep(0.05)
        assert db.use().connections == 5
        kept = await backends(empty_database_url)
        assert len(kept) == 5
        await burst(db, 5)
        assert await backends(empty_database_url) == kept


@pytest.mark.row("S10")
async def test_a_pool_may_have_no_overflow(empty_database_url: str) -> None:
    async with opened(empty_database_url, PoolLimits(size=1, overflow=0)) as db:
        assert await asyncio.gather(*(db.run("one", one) for _ in range(3))) == [1, 1, 1]
        assert (db.use().connections, db.use().most) == (1, 1)


async def test_waiting_too_long_for_a_connection_raises_database_unavailable(
    empty_database_url: str,
) -> None:
    limits = PoolLimits(size=1, overflow=0, acquire_timeout_s=0.05)
    async with opened(empty_database_url, limits) as db:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def hold(connection: Connection) -> None:
            begun.set()
            await go_on.wait()

        holding = asyncio.create_task(db.run("hold", hold))
        await begun.wait()
        with pytest.raises(DatabaseUnavailable, match="wait: unavailable: timed out"):
            await db.run("wait", one, budget_s=0.3)
        go_on.set()
        await holding
        assert await db.run("next", one) == 1


# --- operations ---------------------------------------------------------------------------------


@pytest.mark.row("C8")
async def test_an_operation_is_a_transaction(empty_database_url: str) -> None:
    async with opened(empty_database_url) as db:
        await db.run("make", lambda c: c.execute("CREATE TABLE things (n integer)"))

        async def half(connection: Connection) -> None:
            await connection.execute("INSERT INTO things VALUES (1)")
            raise LookupError

        with pytest.raises(LookupError):
            await db.run("half", half)
        assert await db.run("count", lambda c: c.fetchval("SELECT count(*) FROM things")) == 0


@pytest.mark.row("S13")
async def test_a_transient_error_is_retried(empty_database_url: str) -> None:
    tries = 0

    async def unlucky(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            await connection.execute(
                "DO $$ BEGIN RAISE EXCEPTION 'unlucky' USING ERRCODE = '40001'; END $$"
            )
        return await one(connection)

    async with opened(empty_database_url) as db:
        assert await db.run("unlucky", unlucky) == 1
    assert tries == 3


@pytest.mark.row("S6")
async def test_a_permanent_error_is_not_retried_and_quotes_no_values(
    empty_database_url: str,
) -> None:
    tries = 0

    async def wrong(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("SELECT $1::integer", "what the candidate said")

    async with opened(empty_database_url) as db:
        with pytest.raises(DatabaseOperationFailed) as caught:
            await db.run("wrong", wrong)
        with pytest.raises(DatabaseOperationFailed, match="InvalidTextRepresentationError 22P02"):
            await db.run("wrong", lambda c: c.execute("SELECT 'what she said'::integer"))
    assert tries == 1
    assert "said" not in str(caught.value)


async def test_a_terminated_connection_is_replaced(
    empty_database_url: str,
) -> None:
    async with opened(empty_database_url) as db:
        pid = await db.run("pid", lambda c: c.fetchval("SELECT pg_backend_pid()"))
        other = await asyncpg.connect(empty_database_url)
        await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await other.close()
        assert await db.run("again", one) == 1


async def test_an_operation_whose_connection_breaks_is_retried(
    proxy: TcpProxy, proxied_url: str
) -> None:
    tries = 0

    async def broken_once(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            proxy.cut()
        return await one(connection)

    async with opened(proxied_url) as db:
        assert await db.run("broken_once", broken_once) == 1
    assert tries == 2


@pytest.mark.row("S10")
async def test_a_silent_idle_connection_is_detected_before_use(
    proxy: TcpProxy, proxied_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    calls = 0

    async def counted(connection: Connection) -> int:
        nonlocal calls
        calls += 1
        return await one(connection)

    async with opened(proxied_url, PoolLimits(verify_timeout_s=0.2)) as db:
        await burst(db, 2)
        proxy.stall(new=False)
        caplog.clear()
        assert await asyncio.gather(*(db.run("counted", counted) for _ in range(2))) == [1, 1]
        assert await db.run("counted", counted) == 1
    assert calls == 3
    events = [vars(record).get("event") for record in caplog.records]
    assert "database_connection_replaced" in events
    assert "database_retry" not in events


@pytest.mark.row("S10")
async def test_a_single_statement_is_moved_from_a_silent_connection(
    proxy: TcpProxy, proxied_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(proxied_url, PoolLimits(verify_timeout_s=0.2)) as db:
        await burst(db, 2)
        proxy.stall(new=False)
        both = [db.fetch("add", "SELECT $1::integer + 1 AS sum", number) for number in range(2)]
        assert [rows[0]["sum"] for rows in await asyncio.gather(*both)] == [1, 2]
    assert not [each for each in caplog.records if vars(each).get("event") == "database_retry"]


@pytest.mark.row("S10")
async def test_idle_permanent_connections_are_closed_except_the_lasting_ones(
    empty_database_url: str,
) -> None:
    """Otherwise one slow minute leaves five connections in each job."""
    async with opened(empty_database_url, PoolLimits(idle_s=0.05)) as db:
        await burst(db, 5)
        while db.use().connections > 2:  # noqa: ASYNC110 - asyncpg has no event for this
            await asyncio.sleep(0.05)
        lasting = await backends(empty_database_url)
        assert len(lasting) == 2
        await burst(db, 2)
        assert await backends(empty_database_url) == lasting


async def test_a_silent_server_takes_at_most_the_budget_and_its_connection_is_dropped(
    proxy: TcpProxy, proxied_url: str
) -> None:
    async def into_silence(connection: Connection) -> int:
        proxy.stall(new=False)
        return await one(connection)

    limits = PoolLimits(size=1, overflow=0, verify_timeout_s=0.1)
    async with opened(proxied_url, limits) as db:
        with pytest.raises(DatabaseUnavailable, match="into_silence: unavailable: timed out"):
            await db.run("into_silence", into_silence, budget_s=0.2)
        assert await db.run("next", one) == 1
        await proxy.accepted(2)


@pytest.mark.parametrize("by", ["statement timeout", "budget", "cancellation"])
async def test_an_abandoned_statement_is_cancelled_at_the_server(
    empty_database_url: str, by: str
) -> None:
    """Otherwise each retry of a statement that waits for a lock would take one more connection."""
    limits = replace(PATIENT, statement_timeout_s=0.1) if by == "statement timeout" else PATIENT
    begun, runs = asyncio.Event(), asyncio.Event()

    def noticed(*_: object) -> None:
        runs.set()

    async def endless(connection: Any) -> None:
        begun.set()
        connection.add_log_listener(noticed)
        try:
            await connection.execute(ENDLESS)
        finally:
            connection.remove_log_listener(noticed)

    async with opened(empty_database_url, limits) as db:
        await db.run("one", one)
        before = await backends(empty_database_url)
        task = asyncio.create_task(
            db.run("endless", endless, budget_s=60 if by == "cancellation" else 0.3)
        )
        if by == "cancellation":
            # A server that gets the request to cancel before it has begun the statement ignores the
            # request, so wait for the statement's notice.
            await runs.wait()
            task.cancel()
        with pytest.raises((DatabaseUnavailable, asyncio.CancelledError)):
            await task
        assert begun.is_set()
        # The same single connection is free again once the statement has ended.
        assert await db.run("next", one, budget_s=60) == 1
        assert await backends(empty_database_url) == before


async def test_a_single_statement_that_waits_for_a_table_is_cancelled_at_the_server(
    empty_database_url: str,
) -> None:
    """It waits in its first round trip, and its connection is neither silent nor broken."""
    async with opened(empty_database_url, PATIENT) as db:
        await db.run("make", lambda c: c.execute("CREATE TABLE things (n integer)"))
        before = await backends(empty_database_url)
        migrating = await asyncpg.connect(empty_database_url)
        async with migrating.transaction():
            await migrating.execute("LOCK TABLE things")
            with pytest.raises(DatabaseUnavailable, match="timed out"):
                await db.fetch("count", "SELECT count(*) FROM things", budget_s=0.3)
            assert await db.run("next", one, budget_s=60) == 1
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            assert await migrating.fetchval(waiting) == 0
        await migrating.close()
        assert await backends(empty_database_url) == before


async def test_a_missing_server_is_reported_in_one_line(tmp_path: Path) -> None:
    async with opened(f"postgresql://me:secret@/db?host={tmp_path}&port=5432") as db:
        with pytest.raises(DatabaseUnavailable) as caught:
            await db.ping(budget_s=0.2)
    message = str(caught.value)
    assert message.startswith("database: ping: unavailable: No such file or directory (postgresql:")
    assert "secret" not in message
    assert "\n" not in message


async def test_a_refused_tcp_connection_is_reported_by_name() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with opened(f"postgresql://me@127.0.0.1:{bound.getsockname()[1]}/db") as db:
            with pytest.raises(DatabaseUnavailable, match=r"Connect call failed|refused"):
                await db.ping(budget_s=0.2)


async def test_a_server_that_comes_up_within_the_budget_is_enough(
    proxy: TcpProxy, proxied_url: str
) -> None:
    proxy.refuse()
    async with opened(proxied_url) as db:
        waiting = asyncio.create_task(db.run("early", one))
        await asyncio.sleep(0)
        await proxy.heal()
        assert await waiting == 1


async def test_an_unknown_database_is_refused_at_once(empty_database_url: str) -> None:
    async with opened(empty_database_url.replace("/test_", "/nowhere_")) as db:
        with pytest.raises(DatabaseUnavailable, match="InvalidCatalogNameError 3D000"):
            await db.ping(budget_s=60)


async def test_a_closed_pool_is_unavailable(empty_database_url: str) -> None:
    db = await Database.open(empty_database_url)
    await db.aclose()
    with pytest.raises(DatabaseUnavailable, match="late: unavailable"):
        await db.run("late", one, budget_s=0.1)


async def test_a_url_that_is_not_postgresql_is_refused_without_connecting() -> None:
    with pytest.raises(DatabaseUrlInvalid):
        await Database.open("sqlite:///file.db")


async def test_a_process_suspended_in_a_transaction_loses_its_locks(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_statements, "_IDLE_MS", 200)
    async with opened(empty_database_url) as stopped, opened(empty_database_url) as other:
        await other.run("table", lambda c: c.execute("CREATE TABLE leases AS SELECT 1 AS token"))
        locked, goes_on = asyncio.Event(), asyncio.Event()
        tries = []

        async def update(connection: Connection) -> None:
            tries.append(await connection.execute("UPDATE leases SET token = token + 1"))
            locked.set()
            await goes_on.wait()
            await connection.execute("SELECT 1")

        zombie = asyncio.create_task(stopped.run("update", update, budget_s=60))
        await locked.wait()
        # Wait for the lock, which only the server can release.
        await other.run("renew", lambda c: c.execute("UPDATE leases SET token = token + 10"))
        goes_on.set()
        await zombie
        token = await other.run("read", lambda c: c.fetchval("SELECT token FROM leases"))
    assert len(tries) == 2
    assert token == 12


async def test_new_connections_use_the_url_that_was_rotated(
    empty_database_url: str, tmp_path: Path
) -> None:
    """The user stands for the password, which the server of these tests does not ask for."""
    path = tmp_path / "url"
    path.write_text(empty_database_url)
    admin = await asyncpg.connect(empty_database_url)
    db = await Database.open(empty_database_url, PoolLimits(), path.read_text)
    both = asyncio.Barrier(2)

    async def user(connection: Connection) -> str:
        await both.wait()
        return str(await connection.fetchval("SELECT current_user"))

    try:
        await admin.execute("DROP ROLE IF EXISTS rotated")
        await admin.execute("CREATE ROLE rotated LOGIN")
        await db.ping()  # opens the first connection
        path.write_text(empty_database_url.replace("//postgres@", "//rotated@", 1))
        users = await asyncio.gather(db.run("one", user), db.run("other", user))
        assert sorted(users) == ["postgres", "rotated"]
        single = await db.open_connection(timeout_s=5.0)
        assert await single.fetchval("SELECT current_user") == "rotated"
        await single.close()
    finally:
        await db.aclose(budget_s=0.5)
        await admin.execute("DROP ROLE IF EXISTS rotated")
        await admin.close()
