"""The embedded PostgreSQL: a database of one's own without installing one.

Any number of processes, started in any order, share the server of a data folder. It runs for as
long as one of them uses it and is gone soon after the last, whichever way that went away: see
`embedded_keeper`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from worker.store.embedded_layout import (
    EmbeddedPostgresError,
    Layout,
    PostgresDidNotStart,
    check_data_dir,
    check_version,
    programs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds for a start, those of a predecessor's stop included.
START_BUDGET_S = 60.0
_RESTART_DELAY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class _Hold:
    """One use of the server: it lasts until the connection is closed."""

    connection: socket.socket
    url: str


class EmbeddedPostgres:
    """A use of a data folder's embedded PostgreSQL, from `start` to `aclose`.

    Should the keeper die meanwhile, another is started; the URL stays the same. Processes forked
    from this one do not keep the server alive: they connect by the URL only.
    """

    def __init__(self, data_dir: Path, hold: _Hold) -> None:
        self._data_dir = data_dir
        self._hold = hold
        self._watch = asyncio.create_task(self._watch_the_keeper())
        #: Where the database is: a Unix socket, for this user only.
        self.url = hold.url

    @classmethod
    async def start(cls, data_dir: str | Path) -> EmbeddedPostgres:
        """Use the server of `data_dir`, which is started if nobody uses it yet.

        The data is in its folder `postgres`. Raises an `EmbeddedPostgresError`: the folder cannot
        be written, the platform has no wheel, the data is of another version, or PostgreSQL's own
        reason for not starting.
        """
        return cls(Path(data_dir), await _take_aside(Path(data_dir)))

    async def aclose(self) -> None:
        """End this use; the server stops 2 s after the last one ended."""
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        self._hold.connection.close()

    async def __aenter__(self) -> EmbeddedPostgres:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _watch_the_keeper(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # The keeper says nothing more: this returns when it is gone.
            with contextlib.suppress(OSError):
                await loop.sock_recv(self._hold.connection, 1)
            self._hold.connection.close()
            try:
                self._hold = await _take_aside(self._data_dir)
            except EmbeddedPostgresError:
                await asyncio.sleep(_RESTART_DELAY_S)


@contextlib.contextmanager
def embedded_postgres(data_dir: str | Path) -> Iterator[str]:
    """For programs without an event loop: the server's URL, for as long as the block runs.

    Raises what `EmbeddedPostgres.start` raises.
    """
    hold = _take(Path(data_dir))
    try:
        yield hold.url
    finally:
        hold.connection.close()


async def _take_aside(data_dir: Path) -> _Hold:
    """`_take` in a thread. A cancelled caller waits for it, and what it took is given back."""
    taking = asyncio.ensure_future(asyncio.to_thread(_take, data_dir))
    try:
        hold = await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_give_back)
        # A start that went on behind a caller who has left would start a server for nobody.
        await asyncio.wait({taking})
        raise
    hold.connection.setblocking(False)
    return hold


def _give_back(taking: asyncio.Future[_Hold]) -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result().connection.close()


def _take(data_dir: Path) -> _Hold:
    """Connect to the folder's keeper, starting one where there is none."""
    layout = Layout.of(data_dir)
    bin_dir = programs(layout)
    check_data_dir(layout)
    check_version(layout, bin_dir)
    deadline = time.monotonic() + START_BUDGET_S
    try:
        # One user at a time, so that one keeper is started. A keeper that was just leaving hangs
        # up without an answer, and the next round starts another.
        with FileLock(layout.start_lock, timeout=START_BUDGET_S):
            while True:
                connection = _connect(layout)
                started = connection is None
                connection = connection or _start_keeper(layout)
                answer = _answer(connection, deadline)
                if "url" in answer:
                    _connections.add(connection)
                    return _Hold(connection=connection, url=answer["url"])
                connection.close()
                if started or "problem" in answer or time.monotonic() > deadline:
                    problem = answer.get("problem") or layout.last_log_line()
                    raise PostgresDidNotStart(layout.data_dir, problem)
    except Timeout:
        raise PostgresDidNotStart(
            layout.data_dir, f"another process has been starting it for {START_BUDGET_S:.0f} s"
        ) from None


def _connect(layout: Layout) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(layout.keeper_socket))
    except OSError:
        connection.close()
        return None
    return connection


def _start_keeper(layout: Layout) -> socket.socket:
    """Start a keeper whose first user is the socket returned."""
    ours, theirs = socket.socketpair()
    # Where we are imported from is where the keeper is to be found, installed or not.
    found = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    with theirs, layout.log.open("ab") as log:
        subprocess.run(  # noqa: S603 - our own module
            [
                sys.executable,
                "-m",
                "worker.store.embedded_keeper",
                layout.data_dir,
                str(theirs.fileno()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found))},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            check=False,
        )
    return ours


def _answer(connection: socket.socket, deadline: float) -> dict[str, str]:
    """The keeper's line; empty where it hung up or said nothing in time."""
    line = b""
    try:
        while not line.endswith(b"\n"):
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(65536)
            if not part:
                return {}
            line += part
        answer: dict[str, str] = json.loads(line)
    except OSError:
        return {}
    return answer


_connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _let_go_in_the_child() -> None:
    for connection in list(_connections):
        connection.close()


os.register_at_fork(after_in_child=_let_go_in_the_child)
