"""One at a time: taking an answer of the candidate, and starting to speak without an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

logger = logging.getLogger(__name__)

#: Maximum seconds that a block waits for another block to end. After this time both run at once: a
#: question that is asked twice is better than an answer that waits for a step that hangs.
_LONGEST_WAIT_S: Final = 5.0


class Exclusive:
    """Lets one part of an interview at a time change who speaks next.

    An answer is taken in several steps that wait: the current speech is cut off, the answer is
    written to the journal, then the next utterance begins. If a second answer, or a recovery step
    that repeats the question, ran in between, the next question would be asked twice.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Run the block while no other block runs; the value is True if it had to wait for one.

        Blocks run in the order in which they asked. A block must not contain another one.
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
                "an answer or a recovery step does not wait any longer for the previous one",
                extra={"event": "exclusive_wait_over", "waited_s": _LONGEST_WAIT_S},
            )
            return False
