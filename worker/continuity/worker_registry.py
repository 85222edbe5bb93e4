"""The other workers of a database: the lookup of workers that could take over an interview."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.store.errors import DatabaseError
from worker.store.workers import Peers, drop_worker, other_workers

if TYPE_CHECKING:
    from worker.store.database import Database

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
        agent_name: The agent name whose dispatches the worker takes.
    """

    def __init__(
        self, database: Callable[[], Database | None], *, worker_id: str, agent_name: str
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._agent_name = agent_name

    async def others(self) -> Peers | None:
        """Count the other workers and their free slots; None if the database is unavailable."""
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
