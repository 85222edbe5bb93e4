"""The embedded PostgreSQL: a private database without installing a server.

Any number of processes, started in any order, share the server of a data folder. The server runs
as long as one of them uses it. It stops soon after the last one ends, even one that was killed:
see `embedded_keeper`.
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

from worker.store.embedded.layout import (
    EmbeddedPostgresError,
    Layout,
    PostgresDidNotStart,
    check_data_dir,
    check_version,
    programs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds for a start, including the stop of a previous keeper.
START_BUDGET_S = 60.0
_RESTART_DELAY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class _Hold:
    """One use of the server. It lasts until the connection is closed."""

    connection: socket.socket
    url: str


class EmbeddedPostgres:
    """One use of a data folder's embedded PostgreSQL, from `start` to `aclose`.

    If the keeper dies during the use, another one is started; the URL stays the same. Processes
    forked from this one do not keep the server alive: they connect by the URL only.
    """

    def __init__(self, data_dir: Path, hold: _Hold) -> None:
        self._data_dir = data_dir
        self._hold = hold
        self._watch = asyncio.create_task(self._watch_the_keeper())
        #: URL of the database: a Unix socket, for this user only.
        self.url = hold.url

    @classmethod
    async def start(cls, data_dir: str | Path) -> EmbeddedPostgres:
        """Use the server of `data_dir`; start it if no process uses it yet.

        The data is in its subfolder `postgres`. Raises an `EmbeddedPostgresError` if the folder
        cannot be written, the platform has no wheel, the data is of another version, or
        PostgreSQL does not start (with its own reason).
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
            # The keeper sends nothing more: this returns when the keeper has died.
            with contextlib.suppress(OSError):
                await loop.sock_recv(self._hold.connection, 1)
            self._hold.connection.close()
            try:
                self._hold = await _take_aside(self._data_dir)
            except EmbeddedPostgresError:
                await asyncio.sleep(_RESTART_DELAY_S)


@contextlib.contextmanager
def embedded_postgres(data_dir: str | Path) -> Iterator[str]:
    """Yield the server's URL while the block runs, for programs without an event loop.

    Raises the errors of `EmbeddedPostgres.start`.
    """
    hold = _take(Path(data_dir))
    try:
        yield hold.url
    finally:
        hold.connection.close()


async def _take_aside(data_dir: Path) -> _Hold:
    """Run `_take` in a thread. A cancelled caller waits for it, and its use is released."""
    taking = asyncio.ensure_future(asyncio.to_thread(_take, data_dir))
    try:
        hold = await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_give_back)
        # Wait: a start left running in the background would start a server that has no users.
        await asyncio.wait({taking})
        raise
    hold.connection.setblocking(False)
    return hold


def _give_back(taking: asyncio.Future[_Hold]) -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result().connection.close()


def _take(data_dir: Path) -> _Hold:
    """Connect to the folder's keeper; start one if none runs."""
    layout = Layout.of(data_dir)
    bin_dir = programs(layout)
    check_data_dir(layout)
    check_version(layout, bin_dir)
    deadline = time.monotonic() + START_BUDGET_S
    try:
        # One user at a time, so that one keeper is started. A keeper that is stopping closes the
        # connection without an answer, and the next round starts another keeper.
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
    """Start a keeper; return the socket of its first user."""
    ours, theirs = socket.socketpair()
    # The keeper imports this package from the same place as this process, installed or not.
    found = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    with theirs, layout.log.open("ab") as log:
        subprocess.run(  # noqa: S603 - our own module
            [
                sys.executable,
                "-m",
                "worker.store.embedded.supervisor",
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
    """Return the keeper's answer; empty if it closed the connection or did not answer in time."""
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
