"""A data folder that an earlier version left behind starts, and has its rows."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.compat.captured import broken, readable
from tests.compat.conftest import data_folder
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import Layout, PostgresVersionDiffers
from worker.store.embedded.system_user import system_user
from worker.store.interviews import list_interviews
from worker.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.compat.captured import Captured
    from worker.store.connection import Connection


@pytest.fixture
def old_folder(captured: Captured) -> Iterator[Path]:
    """The captured data folder, unpacked."""
    with data_folder() as folder:
        with tarfile.open(captured.path("data_folder.tar.xz")) as archive:
            archive.extractall(folder, filter="data")
        cluster = Layout.of(folder).cluster
        for path in (cluster, *cluster.rglob("*")):
            # As initdb makes them, whatever the umask; root's server runs as another user.
            path.chmod(0o700 if path.is_dir() else 0o600)
            if os.geteuid() == 0:
                os.chown(path, system_user().pw_uid, system_user().pw_gid)
        yield folder


async def test_the_old_data_folder_starts_and_is_migrated_with_all_its_rows(
    captured: Captured, old_folder: Path
) -> None:
    problem = f"The data folder of version {captured}"
    try:
        with readable(problem):
            server = await EmbeddedPostgres.start(old_folder)
    except AssertionError as error:
        if isinstance(error.__cause__, PostgresVersionDiffers):
            broken([f"{problem} is of another PostgreSQL: its users need a way to the new one."])
        raise
    async with server:
        database = await Database.open(server.url)
        try:
            with readable(problem):
                await migrate(database)
                await list_interviews(database)
            await _compare_rows(captured, database)
        finally:
            await database.aclose()


async def _compare_rows(captured: Captured, database: Database) -> None:
    expected: dict[str, int] = captured.data("data_folder.json")["rows"]

    async def count(connection: Connection) -> dict[str, int]:
        return {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in expected
        }

    found = await database.run("count", count)
    broken(
        [
            f"Of {rows} rows in {table} of version {captured}, {found[table]} are left."
            for table, rows in expected.items()
            if found[table] < rows
        ]
    )
