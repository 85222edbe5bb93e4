"""Registry of workers in the database; a draining worker reserves free slots of the others."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.store.errors import DatabaseError
from worker.store.workers import Reserved, drop_worker, reserve_slots

if TYPE_CHECKING:
    from worker.store.database import Database
    from worker.store.scope import Scope

logger = logging.getLogger(__name__)

#: Maximum seconds for the database to answer. A draining worker must not wait for a dead database.
_BUDGET_S: Final = 1.0
#: Seconds after its last heartbeat for which a worker counts as running.
FRESH_S: Final = 3.0


class WorkerRegistry:
    """The table `workers`, as one worker sees it. `Heartbeat` writes the worker's own row.

    Args:
        database: Returns the database; None while it is unavailable.
        worker_id: Id of the worker.
        scope: The interviews that belong to the worker.
    """

    def __init__(
        self, database: Callable[[], Database | None], *, worker_id: str, scope: Scope
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._scope = scope

    async def reserve(self, wanted: int, for_s: float) -> Reserved | None:
        """Reserve up to `wanted` free slots of the other workers for `for_s` seconds.

        Return None if the database is unavailable.
        """
        if (database := self._database()) is None:
            return None
        try:
            return await reserve_slots(
                database,
                self._scope.agent_name,
                besides=self._worker_id,
                wanted=wanted,
                for_s=for_s,
                fresh_s=FRESH_S,
                livekit_url=self._scope.livekit,
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
