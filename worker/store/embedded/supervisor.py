"""The keeper of the embedded PostgreSQL: `python -m worker.store.embedded.supervisor FOLDER FD`.

The keeper is the process that starts and stops PostgreSQL for one data folder. The first process
that uses PostgreSQL starts the keeper as a detached process. Each process that uses PostgreSQL has
a connection to the keeper's socket, and the kernel closes this connection even if the process is
killed. Shortly after the last connection was closed, the keeper stops PostgreSQL and ends. If the
keeper is killed, the kernel signals PostgreSQL to shut down, and the next process that uses
PostgreSQL starts another keeper.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from worker.store.embedded.layout import EmbeddedPostgresError, Layout, programs
from worker.store.embedded.server import Server

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

#: Seconds that the server keeps running after its last user, a process, has left. Consecutive
#: commands therefore share one start of the server.
LINGER_S = 2.0
#: Maximum seconds to wait for the end of a previous keeper, the process that runs the server.
_PREDECESSOR_S = 40.0


class Keeper:
    """Runs the server of one data folder as long as at least one process uses the server."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._server = Server(layout, programs(layout))
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[dict[str, str]] = self._loop.create_future()
        self._users: set[StreamWriter] = set()
        self._lingering: asyncio.TimerHandle | None = None
        #: Set when the server has to stop: on a signal, or `LINGER_S` seconds after its last user
        #: (a process) has left.
        self._over = asyncio.Event()

    async def run(self, first_user: socket.socket) -> int:
        """Run the server as long as a process uses the server; return the keeper's exit code."""
        first = asyncio.create_task(self._user(*await asyncio.open_connection(sock=first_user)))
        socket_path = self._layout.keeper_socket
        listener: asyncio.Server | None = None
        try:
            await self._server.start()
            socket_path.unlink(missing_ok=True)
            listener = await asyncio.start_unix_server(self._user, socket_path)
            self._answer.set_result({"url": self._layout.url})
            await self._until_over()
        except EmbeddedPostgresError as error:
            self._answer.set_result({"problem": error.problem})
            await first
            return 1
        finally:
            # Do not use `async with` for the listener: from Python 3.12 on, the end of the block
            # would wait until every user has left.
            if listener is not None:
                listener.close()
            with contextlib.suppress(OSError):
                socket_path.unlink()
            await self._server.stop()
            with contextlib.suppress(OSError):
                self._layout.run_dir.rmdir()
        return 0

    async def _user(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._users.add(writer)
        if self._lingering is not None:
            self._lingering.cancel()
        try:
            writer.write(json.dumps(await self._answer).encode() + b"\n")
            await writer.drain()
            if "url" in self._answer.result():
                # A user sends nothing, so the read ends when the user disconnects.
                await reader.read()
        except OSError:
            pass
        finally:
            writer.close()
            self._users.discard(writer)
            if not self._users:
                self._lingering = self._loop.call_later(LINGER_S, self._over.set)

    async def _until_over(self) -> None:
        """Return when no process uses the server any more, or on SIGTERM or SIGINT.

        While this method waits, the server is started again whenever it dies.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._over.set)
        async with asyncio.TaskGroup() as tasks:
            restarting = tasks.create_task(self._restart_whenever_it_dies())
            await self._over.wait()
            restarting.cancel()

    async def _restart_whenever_it_dies(self) -> None:
        while True:
            await self._server.wait()
            await self._server.start()


async def _main(layout: Layout, first_user: socket.socket) -> int:
    try:
        # Wait for a previous keeper that is stopping, because that keeper still uses the cluster.
        with FileLock(layout.keeper_lock, timeout=_PREDECESSOR_S):
            return await Keeper(layout).run(first_user)
    except Timeout:
        return 1


def main(folder: str, descriptor: str) -> int:
    """Run the keeper of the data folder `folder`.

    `descriptor` is the file descriptor of the socket to the first process that uses the server.
    """
    if os.fork():
        # Let the parent process exit, so that the keeper becomes no child of the first user. The
        # first user waits only for the parent process, and need not reap the keeper.
        os._exit(0)
    os.umask(0o077)
    with contextlib.closing(socket.socket(fileno=int(descriptor))) as first_user:
        first_user.setblocking(False)
        return asyncio.run(_main(Layout.of(folder), first_user))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
