"""The asyncpg pools (tiers) of one process, which differ in when they close idle connections."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from worker.store.connection import connection_arguments, open_pool

if TYPE_CHECKING:
    from worker.store.connection import UrlSource
    from worker.store.openings import Openings
    from worker.store.pool_limits import PoolLimits


@dataclass
class Tier:
    """One asyncpg pool, and how many of its connections are not in use."""

    pool: Any
    free: int


async def tiers_of(
    url: str, limits: PoolLimits, openings: Openings, url_again: UrlSource | None
) -> list[Tier]:
    """Create the pools. No connection is opened yet. For `url_again` see `open_pool`.

    Raises DatabaseUrlInvalid if the URL is invalid.
    """
    arguments = await connection_arguments(url)
    lasting = min(limits.lasting, limits.size)
    sizes = [  # 0: idle connections stay open
        (lasting, 0.0),
        (limits.size - lasting, limits.idle_s),
        (limits.overflow, limits.overflow_idle_s),
    ]
    return [
        Tier(
            await open_pool(
                arguments,
                size=size,
                idle_s=idle_s,
                connect_timeout_s=limits.connect_timeout_s,
                statement_timeout_s=limits.statement_timeout_s,
                through=openings.through,
                url_again=url_again,
            ),
            size,
        )
        for size, idle_s in sizes
        if size
    ]


def is_closed(connection: Any) -> bool:
    """Return whether the connection of a pool is closed."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has already taken the connection back


def cut_off(connection: Any) -> None:
    """Close a connection of a pool at once, without notifying the server."""
    with contextlib.suppress(asyncpg.InterfaceError):  # the pool may have taken the connection back
        connection.terminate()
