"""The keeper of the embedded PostgreSQL: `python -m worker.store.embedded.supervisor FOLDER FD`.

The keeper is the process that starts and stops PostgreSQL for one data folder. The first user
starts the keeper as a detached process. Each user is one connection to the keeper's socket, and the
kernel closes this connection even if the user's process is killed. Shortly after the last user has
left, the keeper stops PostgreSQL and ends. If the keeper is killed, the kernel signals PostgreSQL
to shut down, and the next user starts another keeper.
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

#: Seconds from the exit of the last user to the stop of the server, so that consecutive commands
#: share one start.
LINGER_S = 2.0
#: Seconds to wait for a previous keeper that is stopping.
_PREDECESSOR_S = 40.0


class Keeper:
    """Runs the server of one data folder as long as the server has users."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._server = Server(layout, programs(layout))
        self._answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._users: set[StreamWriter] = set()
        self._used = asyncio.Event()
        self._unused = asyncio.Event()

    async def run(self, first_user: socket.socket) -> int:
        """Run the server as long as the server has users; return the keeper's exit code."""
        reader, writer = await asyncio.open_connection(sock=first_user)
        first = asyncio.create_task(self._user(reader, writer))
        try:
            await self._server.start()
            listener = await self._listen()
        except EmbeddedPostgresError as error:
            self._answer.set_result({"problem": error.problem})
            await self._server.stop()
            self._remove_run_dir()
            await first
            return 1
        self._answer.set_result({"url": self._layout.url})
        try:
            async with listener:
                await self._until_the_end()
        finally:
            self._layout.keeper_socket.unlink(missing_ok=True)
            await self._server.stop()
            self._remove_run_dir()
        return 0

    def _remove_run_dir(self) -> None:
        with contextlib.suppress(OSError):
            self._layout.run_dir.rmdir()

    async def _listen(self) -> asyncio.Server:
        self._layout.keeper_socket.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._user, self._layout.keeper_socket)

    async def _user(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._users.add(writer)
        self._unused.clear()
        self._used.set()
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
                self._used.clear()
                self._unused.set()

    async def _until_the_end(self) -> None:
        """Return when the server has no more users, or on SIGTERM or SIGINT."""
        asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
        waits = [
            asyncio.create_task(self._until_unused()),
            asyncio.create_task(self._keep_running()),
            asyncio.create_task(asked.wait()),
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _until_unused(self) -> None:
        while True:
            await self._unused.wait()
            try:
                async with asyncio.timeout(LINGER_S):
                    await self._used.wait()
            except TimeoutError:
                return

    async def _keep_running(self) -> None:
        """Restart the server whenever the server dies."""
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
    """Run the keeper of the data folder `folder`; `descriptor` is the socket of the first user."""
    if os.fork():
        # The parent process exits now. The first user waits only for the parent process, so the
        # keeper is not a child that the first user must reap.
        os._exit(0)
    os.umask(0o077)
    with contextlib.closing(socket.socket(fileno=int(descriptor))) as first_user:
        first_user.setblocking(False)
        return asyncio.run(_main(Layout.of(folder), first_user))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
