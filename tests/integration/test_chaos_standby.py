"""The fail-over of a chaos run: a real standby, and an address that leads to it and back."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.chaos.standby import StandbyFailed, standby_of
from tests.chaos.watch import create_table, takes_a_write
from tests.stand_ins.tcp_proxy import TcpProxy
from tests.support.database.database_urls import server_socket, through
from tests.support.database.embedded_processes import end_keeper
from tests.support.folders import new_folder
from tests.support.live.waiting import answered
from worker.store.embedded.client import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def primary() -> AsyncIterator[tuple[Path, str]]:
    """Yield the data folder and the URL of a server of the test's own, with the run's table."""
    folder = new_folder("interview-standby-")
    async with await EmbeddedPostgres.start(folder) as server:
        await create_table(server.url)
        yield folder, server.url
    for data_dir in (folder / "standby", folder):
        await asyncio.to_thread(end_keeper, data_dir)
    shutil.rmtree(folder, ignore_errors=True)


async def test_after_a_fail_over_new_connections_write_and_old_ones_stay_on_the_standby(
    primary: tuple[Path, str],
) -> None:
    folder, url = primary
    async with (
        standby_of(folder, folder / "standby") as standby_url,
        TcpProxy(server_socket(url)) as proxy,
    ):
        address = through(proxy, url)
        assert await takes_a_write(address)
        proxy.redirect(server_socket(standby_url))
        assert not await takes_a_write(address)
        kept = await asyncpg.connect(address, ssl=False)
        proxy.redirect(server_socket(url))
        assert await takes_a_write(address)
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await kept.execute("UPDATE chaos.writes SET at = now()")
        await kept.execute("SELECT 1")
        await kept.close()


async def test_the_standby_receives_what_the_primary_stores(primary: tuple[Path, str]) -> None:
    folder, url = primary
    async with standby_of(folder, folder / "standby") as standby_url:
        assert await takes_a_write(url)
        written, read = await asyncpg.connect(url), await asyncpg.connect(standby_url)
        query = "SELECT at FROM chaos.writes"
        at = await written.fetchval(query)

        async def received() -> bool:
            return bool(await read.fetchval(query) == at)

        await answered(received, "the write on the standby")
        await written.close()
        await read.close()


async def test_a_primary_that_does_not_run_cannot_be_copied(tmp_path: Path) -> None:
    with pytest.raises(StandbyFailed, match="connection to server"):
        async with standby_of(tmp_path / "nothing", tmp_path / "standby"):
            pass


async def test_a_stalled_address_takes_no_write_and_a_far_one_does(
    primary: tuple[Path, str],
) -> None:
    _, url = primary
    async with TcpProxy(server_socket(url)) as proxy:
        proxy.delay(0.03)
        assert await takes_a_write(through(proxy, url))
        proxy.stall()
        assert not await takes_a_write(through(proxy, url))
        await proxy.heal()
