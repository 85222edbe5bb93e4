"""URLs of the databases of one server, direct or through a proxy, and statements at a URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import asyncpg

if TYPE_CHECKING:
    from tests.stand_ins.tcp_proxy import TcpProxy


def database_url(server_url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return server_url.replace("/postgres?", f"/{name}?", 1)


def server_socket(server_url: str) -> Path:
    """Return the path of the server's Unix socket, read from a URL."""
    query = parse_qs(urlsplit(server_url).query)
    return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"


def through(proxy: TcpProxy, url: str) -> str:
    """Return the URL of the same database through a proxy."""
    return f"postgresql://postgres@{proxy.host}:{proxy.port}{urlsplit(url).path}"


async def execute_at(url: str, *statements: str) -> None:
    """Execute statements on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
