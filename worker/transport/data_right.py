"""Takes the right to publish data away from participants who send too much data."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import cancel_and_wait, log_failure
from worker.aio.timeouts import run_with_timeout

logger = logging.getLogger(__name__)

#: Takes away the right to publish data of the participant with this identity. May raise any error.
TakeDataRight: TypeAlias = Callable[[str], Awaitable[None]]

#: Maximum seconds of one attempt to take away the right to publish data. LiveKit answers after
#: about 50 ms (measured).
_ATTEMPT_S: Final = 3.0
_RETRY: Final = ExponentialBackoff(first_s=0.2, longest_s=5.0)
#: Seconds for which data of a participant may still arrive after the participant has lost the right
#: to publish data. Data that arrives later shows that the participant has joined again, and so has
#: this right again.
_ON_ITS_WAY_S: Final = 2.0


class DataRights:
    """The participants that have lost the right to publish data, or are about to lose it.

    A failed attempt to take away the right is repeated with back-off, until an attempt succeeds or
    the job leaves the room. Until an attempt succeeds, the caller drops the participant's data.

    Args:
        take: Takes away the right to publish data; None if the job cannot take away the right.
    """

    def __init__(self, take: TakeDataRight | None) -> None:
        self._take = take
        self._taking: dict[str, asyncio.Task[None]] = {}
        #: When each participant lost the right (event loop time), by identity.
        self._taken_at: dict[str, float] = {}

    def take(self, identity: str) -> None:
        """Take away the right to publish data, unless an attempt runs or has just ended."""
        now = asyncio.get_running_loop().time()
        just_taken = now - self._taken_at.get(identity, -math.inf) < _ON_ITS_WAY_S
        if identity in self._taking or just_taken:
            return
        if self._take is None:
            self._taken_at[identity] = now  # so that the warning is not logged for each message
            logger.error(
                "a participant sends too much data, and this job cannot take away the right to "
                "publish data",
                extra={"event": "data_right_not_takeable"},
            )
            return
        task = asyncio.create_task(self._until_taken(identity, self._take), name="take-data-right")
        self._taking[identity] = task
        task.add_done_callback(lambda _: self._taking.pop(identity, None))
        task.add_done_callback(log_failure)

    async def aclose(self) -> None:
        """Stop all attempts."""
        await cancel_and_wait(*self._taking.values())

    async def _until_taken(self, identity: str, take: TakeDataRight) -> None:
        async def attempt() -> None:
            await take(identity)

        loop = asyncio.get_running_loop()
        began = loop.time()
        for wait_s in _RETRY.delays():
            try:
                await run_with_timeout(attempt(), _ATTEMPT_S)
            except Exception as error:
                logger.warning(
                    "the right to publish data was not taken from a participant: %s",
                    type(error).__name__,
                    extra={"event": "data_right_not_taken"},
                )
                await asyncio.sleep(wait_s)
            else:
                break
        self._taken_at[identity] = loop.time()
        logger.warning(
            "a participant sent too much data, and has lost the right to publish data",
            extra={"event": "data_right_taken", "after_s": round(loop.time() - began, 3)},
        )
