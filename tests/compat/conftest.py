"""A real PostgreSQL with the captured database in it: one server a session, for all versions."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from filelock import FileLock

from tests.compat.captured import VERSIONS, Captured
from tests.support.environment import OURS
from tests.support.folders import new_folder
from worker.store.database import Database
from worker.store.embedded.client import embedded_postgres
from worker.store.embedded.layout import Layout, programs
from worker.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(params=VERSIONS, ids=str, scope="session")
def captured(request: pytest.FixtureRequest) -> Captured:
    """Each version that was captured."""
    version: Captured = request.param
    return version


@pytest.fixture
def only_these_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting from the environment or a `.env` file."""
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True, kw_only=True)
class Server:
    """An embedded PostgreSQL that runs."""

    url: str
    programs: Path

    def url_of(self, name: str) -> str:
        """The URL of one of its databases."""
        return self.url.replace("/postgres?", f"/{name}?", 1)

    async def create(self, name: str, template: str = "template0") -> str:
        """Make a database, by copying the files of another; returns its URL."""
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url_of(name)

    async def execute(self, statement: str) -> None:
        """Run a statement in the database `postgres`."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def copy_of(self, template: str) -> AsyncIterator[str]:
        """The URL of a database that is a copy of another, until the block ends."""
        name = f"copy_{uuid4().hex}"
        yield await self.create(name, template)
        await self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty data folder; at the end its PostgreSQL is waited for, and it is removed.

    It is not in pytest's own folder, which is closed to the user that root's server runs as.
    """
    folder = new_folder("interview-compat-")
    try:
        yield folder
        with FileLock(Layout.of(folder).keeper_lock, timeout=30):
            pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The session's PostgreSQL."""
    with data_folder() as folder, embedded_postgres(folder) as url:
        made = Server(url=url, programs=programs(Layout.of(folder)))
        # Copying a database waits for the disk, and these need not survive the machine.
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            asyncio.run(made.execute(statement))
        yield made


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A version's database, restored from its dump; the names of three databases."""

    #: As it was dumped.
    as_dumped: str
    #: With the migrations of the current code. Tests copy it and never connect to it.
    template: str
    #: A copy of that for tests that change nothing.
    shared: str


@pytest.fixture(scope="session")
def restored(captured: Captured, server: Server) -> Restored:
    """The captured database, restored with psql and migrated by the current code."""
    name = captured.folder.name
    found = Restored(as_dumped=f"dumped_{name}", template=f"new_{name}", shared=f"shared_{name}")
    asyncio.run(server.create(found.as_dumped))
    dump = captured.path("database.sql")
    restore = subprocess.run(
        [
            *(str(server.programs / "psql"), server.url_of(found.as_dumped)),
            *("--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}", "--output=/dev/null"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert restore.returncode == 0, restore.stderr
    asyncio.run(_make_copies(server, found))
    return found


async def _make_copies(server: Server, found: Restored) -> None:
    url = await server.create(found.template, found.as_dumped)
    database = await Database.open(url)
    try:
        await migrate(database)
    finally:
        await database.aclose()
    await server.create(found.shared, found.template)


@pytest.fixture
async def shared_database(server: Server, restored: Restored) -> AsyncIterator[Database]:
    """The restored and migrated database, for reading."""
    database = await Database.open(server.url_of(restored.shared))
    yield database
    await database.aclose()


@pytest.fixture
async def own_url(server: Server, restored: Restored) -> AsyncIterator[str]:
    """The URL of a copy of it that the test may change."""
    async with server.copy_of(restored.template) as url:
        yield url


@pytest.fixture
async def own_database(own_url: str) -> AsyncIterator[Database]:
    """That copy."""
    database = await Database.open(own_url)
    yield database
    await database.aclose()
