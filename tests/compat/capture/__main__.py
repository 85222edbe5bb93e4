"""Capture what this version stores and prints, from real runs, into a folder of tests/compat.

    .venv/bin/python -m tests.compat.capture tests/compat/v0_1_0

A LiveKit server is needed (it is built once where there is none), Linux, and some fifteen minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from tests.compat.capture import ends, passing_on, printed
from tests.compat.capture.described import describe
from tests.compat.capture.sent import more_metadata
from tests.compat.capture.talks import PLAN
from tests.compat.capture.world import World
from tests.compat.capture.written import Fixture
from worker.simulation.livekit_server import LiveKitServer, find_or_build
from worker.simulation.room_candidate import CandidateTimeout
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import Layout
from worker.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SCENES = (
    ends.usual_ends,
    ends.degraded_and_shut_down,
    passing_on.killed_in_an_answer,
    passing_on.handed_over,
    passing_on.late_turns,
    passing_on.worker_lost,
    ends.failures,
    ends.room_lost,
)
_TABLES = ("interviews", "jobs", "job_records", "turns", "duties", "workers", "schema_migrations")


async def capture(folder: Path) -> None:
    """Hold all scenes in one world, and write the fixture."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="capture-", ignore_cleanup_errors=True) as work:
        try:
            async with AsyncExitStack() as stack:
                world = await _world(stack, Path(work))
                fixture = Fixture(folder, world)
                for scene in SCENES:
                    print(f"{time.monotonic() - began:6.1f} s  {scene.__name__}", flush=True)
                    await _held(scene, world)
                print(f"{time.monotonic() - began:6.1f} s  commands", flush=True)
                await printed.at_work(world, fixture)
                more_metadata(world)
                rows = await _rows(world)
        except BaseException:
            logs = shutil.ignore_patterns("data", "elsewhere", "stranded")
            shutil.copytree(work, f"{folder}.failed", dirs_exist_ok=True, ignore=logs)
            raise
        await _stopped(Layout.of(Path(work) / "data"))
        fixture.journals()
        fixture.dispatch_metadata()
        fixture.speech(PLAN)
        fixture.data_folder(rows)
    print(f"{time.monotonic() - began:6.1f} s  done", flush=True)


async def _held(scene: Callable[[World], Awaitable[None]], world: World) -> None:
    """Hold a scene; a second time, from its start, where a busy machine was too slow for it.

    What the first try has left is kept.
    """
    try:
        await scene(world)
    except (AssertionError, CandidateTimeout) as error:
        print(f"          not in time, and begun again: {error}", flush=True)
        await world.calm()
        await scene(world)


async def _world(stack: AsyncExitStack, work: Path) -> World:
    binary = await find_or_build(lambda line: print(line, flush=True))
    server = await stack.enter_async_context(LiveKitServer(binary))
    postgres = await stack.enter_async_context(await EmbeddedPostgres.start(work / "data"))
    database = await Database.open(postgres.url)
    stack.push_async_callback(database.aclose)
    await migrate(database)
    return World(work, server, database, postgres.url)


async def _rows(world: World) -> dict[str, int]:
    """The rows of each table at the end, with the write-ahead log made short."""
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute("VACUUM")
        await connection.execute("SELECT pg_switch_wal()")
        await connection.execute("CHECKPOINT")
        return {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in _TABLES
        }
    finally:
        await connection.close()


async def _stopped(layout: Layout) -> None:
    """Wait for the end of the embedded PostgreSQL."""
    async with asyncio.timeout(60):
        while any(path.exists() for path in layout.server_lock_files):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.compat.capture", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the version, as v0_1_0")
    folder = parser.parse_args().folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    describe(folder)
    asyncio.run(capture(folder))


if __name__ == "__main__":
    main()
