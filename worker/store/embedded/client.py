"""Use the embedded PostgreSQL, a private database that needs no installed server.

Any number of processes, started in any order, share the server of a data folder. The server runs as
long as at least one process uses it. The server stops soon after the last process that uses the
server has ended, even if that process was killed: see `worker.store.embedded.supervisor`.
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
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from worker.store.embedded.layout import (
    DataFolderUnusable,
    EmbeddedPostgresError,
    Layout,
    PostgresDidNotStart,
    bare_environment,
    check_data_dir,
    check_version,
    programs,
)
from worker.store.embedded.ownership import (
    check_cluster,
    check_peer,
    check_run_dir,
    check_server_socket,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Maximum duration of a server start in seconds, including the wait for a previous server that is
#: stopping.
START_BUDGET_S = 60.0
_RESTART_DELAY_S = 1.0


class EmbeddedPostgres:
    """The use of a data folder's embedded PostgreSQL by this process, from `start` to `aclose`.

    The keeper is the process that runs the server. If the keeper dies while this process uses the
    server, another keeper is started and the URL stays the same. A process that is forked from this
    process does not keep the server alive, because the fork closes the copied connection to the
    keeper.
    """

    def __init__(self, layout: Layout, connection: socket.socket) -> None:
        self._layout = layout
        # While this connection is open, the keeper (the process that runs the server) does not stop
        # the server.
        self._connection = connection
        self._watch = asyncio.create_task(self._watch_the_keeper())
        #: URL of the database. The URL names a Unix socket that only this Unix account may access.
        self.url = layout.url

    @classmethod
    async def start(cls, data_dir: str | Path) -> EmbeddedPostgres:
        """Use the server of `data_dir`; start the server if no process uses it yet.

        The data is stored in the subfolder `postgres` of `data_dir`. Raises an
        `EmbeddedPostgresError` if the folder cannot be written, the wheel with PostgreSQL is not
        installed, another version of PostgreSQL created the data, another user owns the data or the
        sockets, or PostgreSQL does not start. If PostgreSQL does not start, the error quotes
        PostgreSQL's own reason.
        """
        layout = Layout.of(data_dir)
        return cls(layout, await _take_aside(layout))

    async def aclose(self) -> None:
        """End the use of the server by this process.

        The server stops `supervisor.LINGER_S` (2 s) after the last process has ended its use.
        """
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        self._connection.close()

    async def __aenter__(self) -> EmbeddedPostgres:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _watch_the_keeper(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # The keeper sends nothing after its answer, so this call returns when the keeper has
            # died.
            with contextlib.suppress(OSError):
                await loop.sock_recv(self._connection, 1)
            self._connection.close()
            try:
                self._connection = await _take_aside(self._layout)
            except EmbeddedPostgresError:
                await asyncio.sleep(_RESTART_DELAY_S)


@contextlib.contextmanager
def embedded_postgres(data_dir: str | Path) -> Iterator[str]:
    """Use the server while the block runs, and yield the URL of the database.

    `embedded_postgres` is for programs without an event loop. Raises an `EmbeddedPostgresError` in
    the same cases as `EmbeddedPostgres.start`.
    """
    layout = Layout.of(data_dir)
    with _take(layout):
        yield layout.url


async def _take_aside(layout: Layout) -> socket.socket:
    """Run `_take` in a thread; on cancellation, wait for the thread and close its connection."""
    taking = asyncio.ensure_future(asyncio.to_thread(_take, layout))
    try:
        connection = await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_give_back)
        # Wait, because an abandoned thread would start a server that has no users.
        await asyncio.wait({taking})
        raise
    connection.setblocking(False)
    return connection


def _give_back(taking: asyncio.Future[socket.socket]) -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result().close()


def _take(layout: Layout) -> socket.socket:
    """Connect to the keeper, the process that runs the server; start a keeper if none runs."""
    bin_dir = programs(layout)
    check_data_dir(layout)
    check_cluster(layout)
    check_version(layout, bin_dir)
    deadline = time.monotonic() + START_BUDGET_S
    try:
        # The lock admits one user at a time, so that only one keeper is started. A keeper that is
        # stopping closes the connection without an answer. After such an empty answer, the next
        # round of the loop starts another keeper.
        with FileLock(layout.start_lock, timeout=START_BUDGET_S):
            while True:
                connection = _connect(layout)
                started = connection is None
                connection = connection or _start_keeper(layout)
                answer = _answer(connection, deadline)
                if "url" in answer:
                    _check_server(layout, connection)
                    _connections.add(connection)
                    return connection
                connection.close()
                if started or "problem" in answer or time.monotonic() > deadline:
                    problem = answer.get("problem") or layout.last_log_line()
                    raise PostgresDidNotStart(layout.data_dir, problem)
    except Timeout:
        raise PostgresDidNotStart(
            layout.data_dir, f"another process has been starting it for {START_BUDGET_S:.0f} s"
        ) from None


def _check_server(layout: Layout, connection: socket.socket) -> None:
    try:
        check_server_socket(layout)
    except DataFolderUnusable:
        connection.close()
        raise


def _connect(layout: Layout) -> socket.socket | None:
    """Connect to the keeper and check the keeper's owner; return None if no keeper runs."""
    if not check_run_dir(layout):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(layout.keeper_socket))
        check_peer(layout, connection)
    except OSError:
        connection.close()
        return None
    except DataFolderUnusable:
        connection.close()
        raise
    return connection


def _start_keeper(layout: Layout) -> socket.socket:
    """Start a keeper, which runs the server; return the socket from this process to the keeper."""
    ours, theirs = socket.socketpair()
    # The keeper imports this package from the same place as this process, even if the package is
    # not installed.
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
            env=bare_environment(PYTHONPATH=os.pathsep.join(filter(None, found))),
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            check=False,
        )
    return ours


def _answer(connection: socket.socket, deadline: float) -> dict[str, str]:
    """Return the answer of the keeper, the process that runs the embedded PostgreSQL.

    The answer is empty if the keeper closed the connection or did not answer in time.
    """
    connection.settimeout(max(deadline - time.monotonic(), 0.001))
    try:
        with connection.makefile("rb") as lines:
            line = lines.readline()
    except OSError:
        return {}
    answer: dict[str, str] = json.loads(line) if line.endswith(b"\n") else {}
    return answer


_connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _let_go_in_the_child() -> None:
    for connection in list(_connections):
        connection.close()


os.register_at_fork(after_in_child=_let_go_in_the_child)
