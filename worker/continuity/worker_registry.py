"""Worker presence: the heartbeat row of a worker in the database, and reserved slots of peers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.store.errors import DatabaseError, DatabaseOperationFailed
from worker.store.workers import Reserved, drop_worker, note_worker, reserve_slots

if TYPE_CHECKING:
    from worker.store.database import Database

logger = logging.getLogger(__name__)

#: Maximum seconds for the database to answer. A draining worker must not wait for a dead database.
_BUDGET_S: Final = 1.0
#: Seconds between two heartbeats.
_EVERY_S: Final = 1.0
#: Seconds after its last heartbeat for which a worker counts as running.
FRESH_S: Final = 3.0


class WorkerRegistry:
    """One worker's row in the table `workers`.

    Args:
        database: Returns the database; None while it is unavailable.
        worker_id: Id of the worker.
        agent_name: The agent name whose dispatches the worker takes.
        seats: Returns the number of free slots; None while the worker takes no jobs.
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
        """Write heartbeats until cancelled.

        While the database is unavailable, the failure is only a debug line here, because the lease
        renewal logs a warning. If the database refuses the statement, for example because the role
        lacks a privilege, only the first of several consecutive refusals logs a warning.
        """
        refused = False
        while True:
            self._changed.clear()
            if (database := self._database()) is not None:
                try:
                    await self._note(database)
                    refused = False
                except DatabaseOperationFailed as error:
                    if not refused:
                        logger.warning(
                            "the database refuses the worker's heartbeat: %s",
                            error,
                            extra={"event": "worker_heartbeat_refused"},
                        )
                    refused = True
                except DatabaseError as error:
                    logger.debug(
                        "writing the worker's heartbeat failed: %s",
                        error,
                        extra={"event": "worker_heartbeat_failed"},
                    )
                except Exception:
                    logger.exception(
                        "writing the worker's heartbeat failed",
                        extra={"event": "worker_heartbeat_failed"},
                    )
            # `asyncio.wait_for` is not used, because up to Python 3.11 it drops a cancellation that
            # arrives together with the awaited result, so that this loop would never end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._changed.wait()

    def changed(self) -> None:
        """Write a heartbeat now, because this worker has started or stopped taking interviews."""
        self._changed.set()

    async def reserve(self, wanted: int, for_s: float) -> Reserved | None:
        """Reserve up to `wanted` free slots of the other workers for `for_s` seconds.

        Return None if the database is unavailable.
        """
        if (database := self._database()) is None:
            return None
        try:
            return await reserve_slots(
                database,
                self._agent_name,
                besides=self._worker_id,
                wanted=wanted,
                for_s=for_s,
                fresh_s=FRESH_S,
                budget_s=_BUDGET_S,
            )
        except DatabaseError as error:
            logger.warning(
                "looking up the other workers failed: %s",
                error,
                extra={"event": "worker_lookup_failed"},
            )
            return None

    async def leave(self) -> None:
        """Delete this worker's row."""
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
