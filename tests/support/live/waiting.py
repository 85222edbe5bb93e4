"""Waiting for what happens in other processes: the one place where the live tests poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

#: Seconds until something that must come is given up. Never a measure of how fast it should be:
#: the machines are small and shared.
PATIENCE_S: Final = 90.0
#: Seconds between two looks.
_POLL_S: Final = 0.05


async def eventually(
    probe: Callable[[], T | None],
    awaited: str,
    *,
    timeout_s: float = PATIENCE_S,
    poll_s: float = _POLL_S,
) -> T:
    """Call `probe` every `poll_s` seconds until it returns something true.

    Raises AssertionError, with what was awaited, after `timeout_s` seconds.
    """

    async def asked() -> T | None:
        return probe()

    return await answered(asked, awaited, timeout_s=timeout_s, poll_s=poll_s)


async def answered(
    probe: Callable[[], Awaitable[T | None]],
    awaited: str,
    *,
    timeout_s: float = PATIENCE_S,
    poll_s: float = _POLL_S,
) -> T:
    """Call `probe`, whose answer is itself waited for, until it is something true.

    Raises AssertionError, with what was awaited, after `timeout_s` seconds.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + timeout_s
    while True:
        answer = await probe()
        if answer:
            return answer
        if loop.time() > give_up:
            raise AssertionError(f"{awaited}: not within {timeout_s:g} s")
        await asyncio.sleep(poll_s)
