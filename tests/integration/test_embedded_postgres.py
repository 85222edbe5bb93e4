from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.database.embedded_processes import (
    end_keeper,
    processes_of,
    wait_for_end,
    wait_until_gone,
)
from tests.support.folders import new_folder
from worker.store.embedded.client import EmbeddedPostgres, embedded_postgres
from worker.store.embedded.layout import (
    DataFolderUnusable,
    Layout,
    PostgresDidNotStart,
    PostgresMissing,
    PostgresVersionDiffers,
    claim_run_dir,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Holds the database open until it is killed or its input ends, like any user of the database.
USER = """
import sys
from worker.store.embedded.client import embedded_postgres
with embedded_postgres(sys.argv[1]) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class User:
    """Another process that uses the database."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-c", USER, data_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    async def url(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.to_thread(self.process.stdout.readline)).strip()

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


async def until_gone(data_dir: Path) -> None:
    await asyncio.to_thread(wait_until_gone, data_dir)


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """Yield an empty data folder."""
    folder = new_folder("interview-pg-")
    yield folder
    end_keeper(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def made_dir() -> Iterator[Path]:
    """Yield a data folder with a stopped cluster, to be copied."""
    folder = new_folder("interview-pg-")
    with embedded_postgres(folder):
        pass
    end_keeper(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data_dir(empty_dir: Path, made_dir: Path) -> Path:
    """Return a data folder with an existing cluster."""
    subprocess.run(["cp", "-a", made_dir / "postgres", empty_dir], check=True)
    return empty_dir


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_two_users_share_a_server_that_stops_after_the_last_user(data_dir: Path) -> None:
    first = await EmbeddedPostgres.start(data_dir)
    second = User(data_dir)
    assert await second.url() == first.url
    assert set(processes_of(data_dir)) == {"keeper", "postgres"}
    await ask(first.url, "CREATE TABLE kept AS SELECT 1 AS n")
    await first.aclose()
    assert await ask(first.url, "SELECT n FROM kept") == 1
    second.leave()
    await until_gone(data_dir)
    assert processes_of(data_dir) == {}
    async with await EmbeddedPostgres.start(data_dir) as again:
        assert await ask(again.url, "SELECT n FROM kept") == 1


async def test_a_server_stops_after_its_users_were_killed(data_dir: Path) -> None:
    users = [User(data_dir), User(data_dir)]
    url = await users[0].url()
    assert await users[1].url() == url
    users[0].kill()
    assert await ask(url, "SELECT 1") == 1
    users[1].kill()
    await until_gone(data_dir)
    assert processes_of(data_dir) == {}


async def test_concurrent_users_start_one_server(empty_dir: Path) -> None:
    users = [User(empty_dir) for _ in range(4)]
    urls = await asyncio.gather(*(user.url() for user in users))
    assert len(set(urls)) == 1
    for user in users:
        user.leave()


async def test_consecutive_users_share_one_server(data_dir: Path) -> None:
    async with await EmbeddedPostgres.start(data_dir):
        keeper = processes_of(data_dir)["keeper"]
    async with await EmbeddedPostgres.start(data_dir):
        assert processes_of(data_dir)["keeper"] == keeper


async def test_after_the_keeper_is_killed_its_users_get_another_on_the_same_url(
    data_dir: Path,
) -> None:
    async with await EmbeddedPostgres.start(data_dir) as pg:
        before = processes_of(data_dir)
        before["keeper"].kill()
        # The old server shuts down without a request, and the user starts the next one.
        await asyncio.to_thread(wait_for_end, before["postgres"])
        connected = None
        while connected is None:
            try:
                connected = await ask(pg.url, "SELECT 1")
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0)
        assert processes_of(data_dir)["keeper"] != before["keeper"]


async def test_a_killed_keeper_leaves_no_server_behind_and_the_next_start_recovers(
    data_dir: Path,
) -> None:
    user = User(data_dir)
    await user.url()
    processes = processes_of(data_dir)
    user.process.send_signal(signal.SIGSTOP)
    processes["keeper"].kill()
    user.kill()
    await asyncio.to_thread(wait_for_end, processes["postgres"])
    assert processes_of(data_dir) == {}
    async with await EmbeddedPostgres.start(data_dir) as pg:
        assert await ask(pg.url, "SELECT 1") == 1


async def test_after_all_processes_were_killed_the_next_start_recovers(
    data_dir: Path,
) -> None:
    user = User(data_dir)
    await ask(await user.url(), "CREATE TABLE kept AS SELECT 1 AS n")
    for process in processes_of(data_dir).values():
        process.kill()
    user.kill()
    async with await EmbeddedPostgres.start(data_dir) as pg:
        assert await ask(pg.url, "SELECT n FROM kept") == 1


async def test_a_server_that_dies_in_use_is_restarted(data_dir: Path) -> None:
    async with await EmbeddedPostgres.start(data_dir) as pg:
        server = processes_of(data_dir)["postgres"]
        server.kill()
        await asyncio.to_thread(wait_for_end, server)
        answer = None
        while answer is None:
            try:
                answer = await ask(pg.url, "SELECT 1")
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0)
        assert processes_of(data_dir)["postgres"] != server


async def test_a_cancelled_start_leaves_nothing_running(empty_dir: Path) -> None:
    task = asyncio.create_task(EmbeddedPostgres.start(empty_dir))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Whatever the thread had started is released: another user finds a clean folder.
    async with await EmbeddedPostgres.start(empty_dir) as pg:
        assert await ask(pg.url, "SELECT 1") == 1


def test_a_forked_child_does_not_keep_the_server_alive(data_dir: Path) -> None:
    reader, writer = os.pipe()
    with embedded_postgres(data_dir):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        wait_until_gone(data_dir)
        assert processes_of(data_dir) == {}
    finally:
        os.close(writer)
        os.waitpid(child, 0)
        os.close(reader)


async def test_two_deep_data_folders_have_separate_servers(empty_dir: Path) -> None:
    for name in ("one", "two"):
        deep = empty_dir / ("deep" * 25) / name
        async with await EmbeddedPostgres.start(deep) as pg:
            assert await ask(pg.url, "SELECT to_regclass('mine')") is None
            await ask(pg.url, "CREATE TABLE mine ()")
        await until_gone(deep)
        assert not Layout.of(deep).run_dir.exists()


async def test_a_folder_that_cannot_be_created_is_reported_in_one_line(empty_dir: Path) -> None:
    (empty_dir / "file").touch()
    with pytest.raises(DataFolderUnusable, match="cannot be written") as caught:
        await EmbeddedPostgres.start(empty_dir / "file" / "data")
    assert "\n" not in str(caught.value)


async def test_data_of_another_major_version_is_refused(empty_dir: Path) -> None:
    (empty_dir / "postgres").mkdir()
    (empty_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresVersionDiffers, match="PostgreSQL 12, this worker has 18"):
        await EmbeddedPostgres.start(empty_dir)


async def test_postgresqls_own_reason_for_not_starting_is_reported(data_dir: Path) -> None:
    async with await EmbeddedPostgres.start(data_dir):
        pass
    await until_gone(data_dir)
    (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresDidNotStart, match=r"no_such_setting|configuration file") as caught:
        await EmbeddedPostgres.start(data_dir)
    assert "\n" not in str(caught.value)
    await until_gone(data_dir)
    assert processes_of(data_dir) == {}


async def test_a_partly_created_cluster_is_created_again(empty_dir: Path) -> None:
    (empty_dir / "postgres.new").mkdir()
    (empty_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with await EmbeddedPostgres.start(empty_dir) as pg:
        assert await ask(pg.url, "SELECT 1") == 1


async def test_a_platform_without_the_wheel_gets_advice(
    empty_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PostgresMissing, match="set DATABASE_URL"):
        await EmbeddedPostgres.start(empty_dir)


async def test_a_long_log_is_truncated(data_dir: Path) -> None:
    log = Layout.of(data_dir).log
    log.write_bytes(b"old\n" * 500_000)
    async with await EmbeddedPostgres.start(data_dir):
        assert log.stat().st_size < 1_000_000


def test_a_socket_folder_of_another_user_is_refused(empty_dir: Path) -> None:
    layout = Layout.of(empty_dir)
    layout.run_dir.symlink_to(empty_dir)
    try:
        with pytest.raises(DataFolderUnusable):
            claim_run_dir(layout, os.geteuid())
    finally:
        layout.run_dir.unlink()


async def test_a_closed_folder_above_the_data_stays_closed(empty_dir: Path) -> None:
    """The folder stays closed to the user that runs root's server, too."""
    assert mode_of(empty_dir) == 0o700
    async with await EmbeddedPostgres.start(empty_dir / "data") as pg:
        await ask(pg.url, "CREATE TABLE kept AS SELECT 1 AS n")
        await ask(pg.url, "CHECKPOINT")
        assert await ask(pg.url, "SELECT n FROM kept") == 1
    await until_gone(empty_dir / "data")
    for folder in (empty_dir, empty_dir / "data"):
        assert mode_of(folder) == 0o700


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    """Return another user; skip if tests cannot become that user or it cannot run this Python."""
    user = pwd.getpwnam("nobody")
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    try:
        subprocess.run([sys.executable, "-c", "import worker"], check=True, **as_user(user))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python is out of another user's reach")
    return user


@pytest.fixture
def others_folder(nobody: pwd.struct_passwd) -> Iterator[Path]:
    """Yield a data folder of that user."""
    folder = new_folder("interview-pg-")
    os.chown(folder, nobody.pw_uid, -1)
    yield folder
    wait_until_gone(folder)
    subprocess.run(["rm", "-rf", folder], check=True)


def as_user(user: pwd.struct_passwd) -> dict[str, Any]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


async def test_an_unprivileged_user_runs_its_own_server(
    nobody: pwd.struct_passwd, others_folder: Path
) -> None:
    user = User(others_folder, **as_user(nobody))
    assert await ask(await user.url(), "SELECT 1") == 1
    assert processes_of(others_folder)["postgres"].uids().real == nobody.pw_uid
    user.leave()
    await until_gone(others_folder)
    assert processes_of(others_folder) == {}


def test_a_read_only_folder_is_reported_in_one_line(
    nobody: pwd.struct_passwd, others_folder: Path
) -> None:
    others_folder.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-c", USER, others_folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **as_user(nobody),
    )
    last = done.stderr.splitlines()[-1]
    assert "DataFolderUnusable" in last
    assert last.endswith("cannot be written (Permission denied): choose another data folder")
