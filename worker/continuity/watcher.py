"""The watcher: of all workers one looks, again and again, for candidates who sit alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from worker.store.errors import DatabaseError

logger = logging.getLogger(__name__)

#: The row in `duties`.
DUTY: Final = "watch"
#: Seconds beyond one look that the duty is kept: when a watcher dies the next one has it before
#: the leases of the dead one's interviews have expired.
SPARE_S: Final = 2.0


class Watcher:
    """Looks every `every_s` seconds while the duty is this worker's.

    Args:
        on_duty: Takes the duty for so many seconds, or keeps it; False while it is another's.
        look: Finds whoever sits alone, and sends them somebody; is told whether it is the first
            look since the duty was taken.
        every_s: Seconds between two looks.
    """

    def __init__(
        self,
        *,
        on_duty: Callable[[float], Awaitable[bool]],
        look: Callable[[bool], Awaitable[object]],
        every_s: float,
    ) -> None:
        self._on_duty = on_duty
        self._look = look
        self._every_s = every_s
        #: Whether it is this worker that looks.
        self.acts = False

    async def run(self) -> None:
        """Watch until cancelled. A look that fails is logged and no more."""
        while True:
            try:
                acts = await self._on_duty(self._every_s + SPARE_S)
                anew = acts and not self.acts
                if anew:
                    logger.info("this worker watches over the interviews")
                self.acts = acts
                if acts:
                    await self._look(anew)
            except DatabaseError as error:
                self.acts = False
                logger.warning("nobody could be looked for: %s", error)
            except Exception:
                logger.exception("nobody could be looked for")
            await asyncio.sleep(self._every_s)
