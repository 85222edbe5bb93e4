"""Slots: how many interviews a worker runs at once, and which dispatches it accepts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.server.agent_server import CLOSED_LOAD

if TYPE_CHECKING:
    from livekit.agents import JobRequest

logger = logging.getLogger(__name__)

#: LiveKit's server sends no job to a worker whose load is at its `agents.target_load` or above (0.7
#: by default, pkg/agent/config.go), and does not report that. So a full worker reports this load.
SERVER_TARGET_LOAD: Final = 0.7


class Admission:
    """Accepts dispatches while a slot is free.

    Args:
        number: Maximum number of jobs at once.
        running: Returns the jobs that have a process.
        unable: Returns why no job can run, as one word and as a sentence; None if jobs can run.
        stopping: Returns whether the worker was asked to stop.
        on_taken: Called with the id and the metadata of each accepted job.
        on_refused: Called with a one-word reason for each refused job.
    """

    def __init__(
        self,
        number: int,
        *,
        running: Callable[[], list[str]],
        unable: Callable[[], tuple[str, str] | None],
        stopping: Callable[[], bool],
        on_taken: Callable[[str, str], None],
        on_refused: Callable[[str], None],
    ) -> None:
        self._number = number
        self._running = running
        self._unable = unable
        self._stopping = stopping
        self._on_taken = on_taken
        self._on_refused = on_refused
        #: Jobs that were accepted and not yet handed to a process.
        self.accepted: set[str] = set()

    @property
    def busy(self) -> set[str]:
        """The jobs that hold a slot: running, or accepted and not yet handed to a process."""
        return {*self._running(), *self.accepted}

    @property
    def seats(self) -> int | None:
        """Number of free slots; None while no job is accepted at all."""
        if self._stopping() or self._unable():
            return None
        return max(0, self._number - len(self.busy))

    def load(self) -> float:
        """Return the load on the server's scale: at SERVER_TARGET_LOAD there is no slot left.

        The load is CLOSED_LOAD, far above that, if no job can run at all.
        """
        if self._unable():
            return CLOSED_LOAD
        return SERVER_TARGET_LOAD * min(1.0, len(self.busy) / self._number)

    def _refusal(self) -> tuple[str, str] | None:
        """Return why no job can be accepted now, as one word and as a sentence; None if one can."""
        if self._stopping():
            # The framework itself refuses jobs only once it drains.
            return "Stopping", "the worker is stopping"
        if unable := self._unable():
            return unable
        return ("NoSlot", "no slot is free") if self.seats == 0 else None

    async def on_request(self, request: JobRequest) -> None:
        """Accept or refuse a job that LiveKit offers."""
        if refusal := self._refusal():
            cause, problem = refusal
            logger.warning("job refused: %s", problem, extra={"job_id": request.id})
            self._on_refused(cause)
            # Without `terminate=False` no other worker would be asked: the server takes a plain
            # rejection for the end of the job.
            await request.reject(terminate=False)
            return
        self.accepted.add(request.id)
        self._on_taken(request.id, request.job.metadata)
        try:
            # Returns once the job was handed to a process.
            await request.accept(identity=f"interviewer-{request.id}", name="Interviewer")
        finally:
            self.accepted.discard(request.id)
