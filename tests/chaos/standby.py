"""A read-only standby of the run's PostgreSQL, to which its address leads during a fail-over.

The standby is a real one: a copy of the primary (pg_basebackup) that follows it by streaming
replication. It accepts connections, answers reads, and refuses every write (25006).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import Layout, programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: Appended to the standby's settings. It reaches a restarted primary as fast as the workers do:
#: PostgreSQL's own 5 s are as long as a round's outages.
_SETTINGS: Final = "wal_retrieve_retry_interval = '500ms'\n"


@asynccontextmanager
async def standby_of(primary: Path, folder: Path) -> AsyncIterator[str]:
    """Copy the running embedded PostgreSQL of one data folder to another, and start the copy.

    Yields the URL of the standby, which names a Unix socket. The standby stops with the block.
    Raises `StandbyFailed` if the primary cannot be copied, and `EmbeddedPostgresError` if the copy
    does not start.
    """
    await asyncio.to_thread(_copy, Layout.of(primary), Layout.of(folder))
    async with await EmbeddedPostgres.start(folder) as standby:
        yield standby.url


class StandbyFailed(Exception):
    """Raised when the primary cannot be copied. The message is pg_basebackup's."""


def _copy(primary: Layout, standby: Layout) -> None:
    standby.data_dir.mkdir(mode=0o700)
    done = subprocess.run(
        [
            programs(primary) / "pg_basebackup",
            f"--dbname={primary.url}",
            f"--pgdata={standby.cluster}",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--write-recovery-conf",
            # The primary keeps what the standby has not received yet.
            "--create-slot",
            "--slot=standby",
            "--no-sync",
        ],
        # PostgreSQL's programs read settings from PG* and the language of messages from LC_*.
        env={n: v for n, v in os.environ.items() if not n.startswith(("PG", "LC_"))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StandbyFailed(done.stderr.strip())
    with (standby.cluster / "postgresql.auto.conf").open("a") as settings:
        settings.write(_SETTINGS)
    if os.geteuid() == 0:
        # Under root, PostgreSQL runs as another user, who owns the primary's files.
        owner = primary.cluster.stat()
        for path in (standby.cluster, *standby.cluster.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
