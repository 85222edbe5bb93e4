"""A real PgBouncer in transaction mode, as a subprocess of the test."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

_PORT = 6432
#: https://www.pgbouncer.org/config.html
_SETTINGS = """\
[databases]
* = host={server_dir} port=5432

[pgbouncer]
pool_mode = transaction
default_pool_size = {server_connections}
max_client_conn = 200
; Seconds before it asks again a server that was away: 15 by default.
server_login_retry = 0.1
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = {auth}
auth_file = {folder}/users
logfile = {folder}/log
"""


class PgBouncer:
    """PgBouncer that shares few server connections, over a Unix socket, among many clients.

    With a password of `postgres` it checks passwords, and asks the server for those of other roles.
    """

    def __init__(
        self, program: Path, server_socket: Path, *, server_connections: int, password: str = ""
    ) -> None:
        self._program = program
        self._password = password
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        # PgBouncer refuses to run as root, and only the server's user may use its socket.
        self._user = pwd.getpwuid(server_socket.stat().st_uid)
        (self._folder / "users").write_text(f'"postgres" "{password}"\n')
        (self._folder / "ini").write_text(
            _SETTINGS.format(
                server_dir=server_socket.parent,
                server_connections=server_connections,
                port=_PORT,
                folder=self._folder,
                auth="scram-sha-256\nauth_user = postgres" if password else "trust",
            )
        )
        os.chown(self._folder, self._user.pw_uid, -1)
        self._process: asyncio.subprocess.Process | None = None

    def add_user(self, name: str) -> None:
        """Let a role through. Call this before the start."""
        with (self._folder / "users").open("a") as users:
            users.write(f'"{name}" ""\n')

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        shutil.rmtree(self._folder)

    def url(self, server_url: str) -> str:
        """Return the URL of the same database through this PgBouncer."""
        host = quote(str(self._folder), safe="/")
        user = f"postgres:{self._password}" if self._password else "postgres"
        return f"postgresql://{user}@{urlsplit(server_url).path}?host={host}&port={_PORT}"

    async def start(self) -> None:
        """Start the process; it may not accept connections yet on return."""
        as_user = ["-u", self._user.pw_name] if os.geteuid() == 0 else []
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "-q",
            *as_user,
            self._folder / "ini",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        """Kill the process; its client and server connections break."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def restart(self) -> None:
        """Kill the process and start it again."""
        await self.kill()
        await self.start()
