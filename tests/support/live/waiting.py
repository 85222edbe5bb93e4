"""Waits for events in other processes: the only place where the live tests poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

#: Seconds after which a wait fails. This is not a performance limit: the machines are small and
#: shared.
PATIENCE_S: Final = 90.0
#: Seconds between two polls.
_POLL_S: Final = 0.05


async def eventually(
    probe: Callable[[], T | None],
    awaited: str,
    *,
    timeout_s: float = PATIENCE_S,
    poll_s: float = _POLL_S,
) -> T:
    """Call `probe` every `poll_s` seconds until it returns a true value; return that value.

    Raises AssertionError, which names `awaited`, after `timeout_s` seconds.
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
    """Await `probe()` every `poll_s` seconds until it returns a true value; return that value.

    Raises AssertionError, which names `awaited`, after `timeout_s` seconds.
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
