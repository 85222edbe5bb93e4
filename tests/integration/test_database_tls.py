"""A password is not sent to a server that offers no TLS, if TLS is wanted."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from worker.store.database import Database
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Request for a password in clear (AuthenticationCleartextPassword).
ASKS_FOR_THE_PASSWORD = b"R\0\0\0\x08\0\0\0\x03"


class Eavesdropper:
    """A server that refuses TLS, asks for the password, and keeps what it is sent."""

    def __init__(self) -> None:
        self.heard = b""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            self.heard += await reader.read(8)
            writer.write(b"N")
            while data := await reader.read(1000):
                self.heard += data
                writer.write(ASKS_FOR_THE_PASSWORD)
        writer.close()


@pytest.mark.parametrize(("mode", "is_told"), [("verify-full", False), ("prefer", True)])
async def test_only_a_loose_mode_tells_the_password_in_clear(mode: str, is_told: bool) -> None:
    server = Eavesdropper()
    async with server.listening() as port:
        url = f"postgresql://me:hunter2@127.0.0.1:{port}/x?sslmode={mode}"
        db = await Database.open(url)
        with pytest.raises(DatabaseUnavailable) as refused:
            await db.ping(budget_s=0.5)
        await db.aclose(budget_s=0.5)
    assert (b"hunter2" in server.heard) is is_told
    assert "hunter2" not in str(refused.value)
