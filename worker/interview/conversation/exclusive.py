"""Mutual exclusion of two actions: taking an answer, and starting to speak without an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

logger = logging.getLogger(__name__)

#: Maximum seconds that a block waits for another block to end. After this time both run at once,
#: because a hanging block must not delay an answer, even if a question may then be asked twice.
_LONGEST_WAIT_S: Final = 5.0


class Exclusive:
    """Lock for the code that decides who speaks next.

    An answer is taken in several steps that wait: the current speech is cut off, the answer is
    written to the journal, then the next utterance begins. If another answer or a recovery step
    were handled between these steps, the next question would be asked twice.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Run the `with` block while no other block runs; yield True if this block had to wait.

        Blocks run in the order in which they were entered. A block must not enter another block.
        """
        waited = self._lock.locked()
        alone = await self._acquired()
        try:
            yield waited
        finally:
            if alone:
                self._lock.release()

    async def _acquired(self) -> bool:
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                return await self._lock.acquire()
        except TimeoutError:
            logger.error(
                "an answer or a recovery step runs although the previous one has not ended in time",
                extra={"event": "exclusive_wait_over", "waited_s": _LONGEST_WAIT_S},
            )
            return False
