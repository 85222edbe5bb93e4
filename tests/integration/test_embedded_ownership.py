"""The embedded PostgreSQL among other users of the machine: its owner, and its environment."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.database.embedded_processes import end_keeper, processes_of
from tests.support.folders import new_folder
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import DataFolderUnusable, Layout, bare_environment
from worker.store.embedded.ownership import check_peer, check_run_dir, server_owners

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a-secret-of-the-worker"
#: A user id that no user of the machine has.
STRANGER = 54_321

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = new_folder("interview-pg-")
    yield folder
    end_keeper(folder)
    shutil.rmtree(Layout.of(folder).run_dir, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def layout(data_dir: Path) -> Layout:
    return Layout.of(data_dir)


def environment_of(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace")


async def test_neither_postgresql_nor_its_keeper_has_a_secret_of_the_worker(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "LIVEKIT_API_SECRET", "DATABASE_URL", "PGPASSWORD"):
        monkeypatch.setenv(name, SECRET)
    async with await EmbeddedPostgres.start(data_dir):
        found = processes_of(data_dir)
        processes = [*found.values(), *found["postgres"].children(recursive=True)]
        assert len(processes) > 2
        for process in processes:
            assert SECRET not in environment_of(process)
        names = {entry.partition("=")[0] for entry in environment_of(found["keeper"]).split("\0")}
    # LC_CTYPE: Python sets it if the locale is C.
    assert names <= {*bare_environment(PYTHONPATH=""), "LC_CTYPE", ""}


async def test_the_files_of_the_server_are_closed_to_other_users(
    data_dir: Path, layout: Layout
) -> None:
    before = os.umask(0o022)
    try:
        async with await EmbeddedPostgres.start(data_dir):
            for path in (layout.run_dir, layout.cluster, layout.log):
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    finally:
        os.umask(before)


def test_a_folder_that_others_may_enter_is_closed_to_them(layout: Layout) -> None:
    layout.run_dir.mkdir(parents=True)
    layout.run_dir.chmod(0o777)
    assert check_run_dir(layout)
    assert stat.S_IMODE(layout.run_dir.stat().st_mode) == 0o700


@only_root
async def test_sockets_in_a_folder_of_another_user_are_not_used(
    data_dir: Path, layout: Layout
) -> None:
    layout.run_dir.mkdir()
    os.chown(layout.run_dir, STRANGER, -1)
    with pytest.raises(DataFolderUnusable, match="belongs to another user"):
        await EmbeddedPostgres.start(data_dir)
    assert processes_of(data_dir) == {}


@only_root
async def test_a_socket_of_another_user_is_not_read(data_dir: Path, layout: Layout) -> None:
    """The answer of such a socket would be believed, and every word sent to its owner."""
    layout.run_dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(layout.keeper_socket))
        os.seteuid(STRANGER)  # the kernel keeps the user of listen() as the peer
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(DataFolderUnusable, match="socket of another user"):
            await EmbeddedPostgres.start(data_dir)
    layout.keeper_socket.unlink()


@only_root
async def test_data_of_another_user_is_not_read(data_dir: Path, layout: Layout) -> None:
    layout.cluster.mkdir()
    os.chown(layout.cluster, STRANGER, -1)
    with pytest.raises(DataFolderUnusable, match="belongs to another user"):
        await EmbeddedPostgres.start(data_dir)


@only_root
def test_only_root_can_make_the_folder_of_roots_sockets(layout: Layout) -> None:
    above = layout.run_dir.parent.stat()
    assert above.st_uid == 0
    assert not above.st_mode & stat.S_IWOTH or layout.run_dir.parent == Path("/tmp")  # noqa: S108  # the product's choice


def test_a_peer_of_this_user_is_accepted(layout: Layout) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        check_peer(layout, ours)
    assert os.geteuid() in server_owners()
