from __future__ import annotations

import asyncio
import socket
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.pool import Database, PoolLimits
from worker.store.url import DatabaseUrlInvalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from worker.store.connection import Connection


class Line:
    """A socket in front of PostgreSQL's that can be cut, or fall silent as a lost network does."""

    def __init__(self, socket_path: Path, postgres_url: str) -> None:
        host = parse_qs(urlsplit(postgres_url).query)["host"][0]
        self._target = f"{host}/.s.PGSQL.5432"
        self._socket_path = socket_path
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._join, self._socket_path)

    def fall_silent(self) -> None:
        """Deliver nothing more on the connections that are open now."""
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()

    async def aclose(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._writers.add(target)
            task = asyncio.create_task(self._carry(self._open, source, target))
            self._tasks.add(task)

    async def _carry(
        self, is_open: asyncio.Event, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await is_open.wait()
                target.write(data)
        target.close()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        yield Path(folder)


@pytest.fixture
async def line(short_dir: Path, empty_database_url: str) -> AsyncIterator[tuple[Line, str]]:
    line = Line(short_dir / ".s.PGSQL.5432", empty_database_url)
    server = await line.serve()
    host = parse_qs(urlsplit(empty_database_url).query)["host"][0]
    yield line, empty_database_url.replace(host, str(short_dir))
    server.close()
    await line.aclose()


@asynccontextmanager
async def opened(url: str, limits: PoolLimits | None = None) -> AsyncIterator[Database]:
    db = await Database.open(url, limits)
    try:
        yield db
    finally:
        await db.aclose(budget_s=0.5)


async def one(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT 1"))


async def test_connections_are_opened_as_needed_up_to_size_and_overflow(
    empty_database_url: str,
) -> None:
    async with opened(empty_database_url, PoolLimits(size=2, overflow=1)) as db:
        assert (db.use().connections, db.use().most) == (0, 3)
        all_here = asyncio.Barrier(3)
        running = 0

        async def hold(connection: Connection) -> None:
            nonlocal running
            running += 1
            assert running <= 3
            await all_here.wait()
            await one(connection)
            running -= 1

        await asyncio.gather(*(db.run("hold", hold) for _ in range(6)))
        assert (db.use().connections, db.use().idle) == (3, 3)


async def test_an_operation_is_a_transaction(empty_database_url: str) -> None:
    async with opened(empty_database_url) as db:
        await db.run("make", lambda c: c.execute("CREATE TABLE things (n integer)"))

        async def half(connection: Connection) -> None:
            await connection.execute("INSERT INTO things VALUES (1)")
            raise LookupError

        with pytest.raises(LookupError):
            await db.run("half", half)
        assert await db.run("count", lambda c: c.fetchval("SELECT count(*) FROM things")) == 0


async def test_a_transient_error_is_tried_again(empty_database_url: str) -> None:
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


async def test_a_lasting_error_is_not_tried_again_and_quotes_no_values(
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


async def test_a_connection_that_was_cut_is_replaced(
    empty_database_url: str,
) -> None:
    async with opened(empty_database_url) as db:
        pid = await db.run("pid", lambda c: c.fetchval("SELECT pg_backend_pid()"))
        other = await asyncpg.connect(empty_database_url)
        await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await other.close()
        assert await db.run("again", one) == 1


async def test_an_operation_whose_connection_breaks_is_run_again(
    line: tuple[Line, str],
) -> None:
    the_line, url = line
    tries = 0

    async def broken_once(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            the_line.cut()
        return await one(connection)

    async with opened(url) as db:
        assert await db.run("broken_once", broken_once) == 1
    assert tries == 2


async def test_an_idle_connection_that_fell_silent_is_found_out_before_use(
    line: tuple[Line, str], caplog: pytest.LogCaptureFixture
) -> None:
    the_line, url = line
    calls = 0

    async def counted(connection: Connection) -> int:
        nonlocal calls
        calls += 1
        return await one(connection)

    async with opened(url, PoolLimits(verify_timeout_s=0.2)) as db:
        both = asyncio.Barrier(2)

        async def with_another(connection: Connection) -> None:
            await both.wait()
            await one(connection)

        await asyncio.gather(*(db.run("open", with_another) for _ in range(2)))
        the_line.fall_silent()
        caplog.clear()
        assert await asyncio.gather(*(db.run("counted", counted) for _ in range(2))) == [1, 1]
        assert await db.run("counted", counted) == 1
    assert calls == 3
    retries = [record for record in caplog.records if record.message == "database_retry"]
    assert {vars(record)["error"] for record in retries} == {"the connection was lost"}


async def test_a_silent_server_costs_no_more_than_the_budget(line: tuple[Line, str]) -> None:
    the_line, url = line
    released = asyncio.Event()

    async def into_silence(connection: Connection) -> int:
        the_line.fall_silent()
        released.set()
        return await one(connection)

    async with opened(url) as db:
        with pytest.raises(DatabaseUnavailable, match="into_silence: unavailable: timed out"):
            await db.run("into_silence", into_silence, budget_s=0.2)
        assert released.is_set()
        assert db.use().connections == 0


async def test_a_server_that_is_not_there_is_reported_in_one_line(short_dir: Path) -> None:
    async with opened(f"postgresql://me:secret@/db?host={short_dir}&port=5432") as db:
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
    short_dir: Path, empty_database_url: str
) -> None:
    line = Line(short_dir / ".s.PGSQL.5432", empty_database_url)
    host = parse_qs(urlsplit(empty_database_url).query)["host"][0]
    async with opened(empty_database_url.replace(host, str(short_dir))) as db:
        waiting = asyncio.create_task(db.run("early", one))
        await asyncio.sleep(0)
        server = await line.serve()
        assert await waiting == 1
    server.close()
    await line.aclose()


async def test_an_unknown_database_is_refused_at_once(empty_database_url: str) -> None:
    async with opened(empty_database_url.replace("/test_", "/nowhere_")) as db:
        with pytest.raises(DatabaseUnavailable, match="InvalidCatalogNameError 3D000"):
            await db.ping(budget_s=60)


async def test_a_cancelled_operation_gives_its_connection_back(empty_database_url: str) -> None:
    async with opened(empty_database_url, PoolLimits(size=1, overflow=0)) as db:
        begun = asyncio.Event()

        async def endless(connection: Connection) -> None:
            begun.set()
            await connection.execute("SELECT pg_sleep(600)")

        task = asyncio.create_task(db.run("endless", endless))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.run("next", one) == 1


async def test_a_closed_pool_is_unavailable(empty_database_url: str) -> None:
    db = await Database.open(empty_database_url)
    await db.aclose()
    with pytest.raises(DatabaseUnavailable, match="late: unavailable"):
        await db.run("late", one, budget_s=0.1)


async def test_what_is_no_postgresql_url_is_refused_without_connecting() -> None:
    with pytest.raises(DatabaseUrlInvalid):
        await Database.open("sqlite:///file.db")
