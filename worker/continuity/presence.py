"""Which workers are there: each says so in the database, and asks who could follow upon it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.store.errors import DatabaseError
from worker.store.workers import Others, drop_worker, note_worker, other_workers

if TYPE_CHECKING:
    from worker.store.pool import Database

logger = logging.getLogger(__name__)

#: Seconds for the database to answer: who goes away does not wait for one that is gone.
_BUDGET_S: Final = 1.0
#: Seconds between two signs, and those for which a sign counts.
_EVERY_S: Final = 1.0
FRESH_S: Final = 3.0


class Presence:
    """One worker's row among the workers.

    Args:
        database: The database, while there is one.
        worker_id: Whose row.
        agent_name: The name that it takes dispatches for.
        seats: How many interviews it could take now; None while it takes none at all.
    """

    def __init__(
        self,
        database: Callable[[], Database | None],
        *,
        worker_id: str,
        agent_name: str,
        seats: Callable[[], int | None],
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._agent_name = agent_name
        self._seats = seats
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Give signs until cancelled. A database that is away is the leases' to report."""
        while True:
            self._changed.clear()
            if (database := self._database()) is not None:
                try:
                    await self._note(database)
                except DatabaseError as error:
                    logger.debug("no sign was given to the other workers: %s", error)
                except Exception:
                    logger.exception("no sign was given to the other workers")
            # Not `wait_for`: up to Python 3.11 it drops a cancellation that comes together with
            # what it waited for, and this would go on for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._changed.wait()

    def changed(self) -> None:
        """Say now, not with the next sign, that this worker takes interviews, or takes none."""
        self._changed.set()

    async def others(self) -> Others | None:
        """The other workers; None where nobody can tell."""
        if (database := self._database()) is None:
            return None
        try:
            return await other_workers(
                database,
                self._agent_name,
                besides=self._worker_id,
                fresh_s=FRESH_S,
                budget_s=_BUDGET_S,
            )
        except DatabaseError as error:
            logger.warning("it is not known which workers are there: %s", error)
            return None

    async def leave(self) -> None:
        """Take the row away."""
        if (database := self._database()) is not None:
            with contextlib.suppress(DatabaseError):
                await drop_worker(database, self._worker_id, budget_s=_BUDGET_S)

    async def _note(self, database: Database) -> None:
        seats = self._seats()
        await note_worker(
            database,
            self._worker_id,
            agent_name=self._agent_name,
            takes_jobs=seats is not None,
            free_slots=seats or 0,
            budget_s=_BUDGET_S,
        )
