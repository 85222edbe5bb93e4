"""Admission of jobs: a worker accepts a dispatch while one of the worker's slots is free."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.continuity.dispatch_metadata import has_newer_protocol
from worker.continuity.metadata_cipher import MetadataLocked
from worker.server.agent_server import CLOSED_LOAD
from worker.telemetry.worker_status import Cause

if TYPE_CHECKING:
    from livekit.agents import JobRequest
    from livekit.protocol import agent

    from worker.job.application import Declared

logger = logging.getLogger(__name__)

#: Default of `agents.target_load` in the configuration of LiveKit's server (pkg/agent/config.go). A
#: node of the server takes no job if all workers of the node report this load or more. Otherwise
#: the node chooses a worker at random, with the weight `1 - load` (v1.13.5, agentservice.go). A
#: worker without a free slot reports this load and the status WS_FULL, so that it is not chosen.
SERVER_TARGET_LOAD: Final = 0.7


class Admission:
    """Accepts dispatches while a slot is free.

    Args:
        number: Maximum number of jobs at once.
        declared: The identity and the name of the agents, as their application declares them.
        running: Returns the ids of the jobs that have a process.
        unable: Returns why no job can run, as one word and as a sentence; None if jobs can run.
        is_late: Returns whether a job with the given metadata would wait long for a process here,
            so that another worker or a later dispatch can serve it sooner.
        equip: Decrypts the metadata of a job, and adds the room token and the key that its process
            needs. Raises MetadataLocked if no key of this worker decrypts the metadata.
        stopping: Returns True once the worker was asked to stop.
        on_taken: Called with the id, the room and the metadata of each accepted job.
        on_refused: Called with a one-word reason for each refused job.
    """

    def __init__(
        self,
        number: int,
        *,
        declared: Declared,
        running: Callable[[], list[str]],
        unable: Callable[[], tuple[str, str] | None],
        is_late: Callable[[str], bool],
        equip: Callable[[agent.Job], None],
        stopping: Callable[[], bool],
        on_taken: Callable[[str, str, str], None],
        on_refused: Callable[[str], None],
    ) -> None:
        self._number = number
        self._declared = declared
        self._running = running
        self._unable = unable
        self._is_late = is_late
        self._equip = equip
        self._stopping = stopping
        self._on_taken = on_taken
        self._on_refused = on_refused
        #: Ids of the jobs that were accepted and not yet handed to a process.
        self.accepted: set[str] = set()

    @property
    def busy(self) -> set[str]:
        """Ids of the jobs that hold a slot: running jobs, and accepted jobs without a process."""
        return {*self._running(), *self.accepted}

    @property
    def seats(self) -> int | None:
        """Number of free slots; None while the worker is stopping or unable to run jobs."""
        if self._stopping() or self._unable():
            return None
        return max(0, self._number - len(self.busy))

    def load(self) -> float:
        """Return the load to report to LiveKit: SERVER_TARGET_LOAD if no slot is free.

        If no job can run at all, the load is CLOSED_LOAD, which is far above SERVER_TARGET_LOAD.
        """
        if self._unable():
            return CLOSED_LOAD
        return SERVER_TARGET_LOAD * min(1.0, len(self.busy) / self._number)

    def _refusal(self, job: agent.Job) -> tuple[str, str] | None:
        """Return why to refuse a job, as one word and as a sentence; None to accept the job.

        If the job is to be accepted, the method also calls `equip`, which decrypts the metadata and
        adds the job's token and key.
        """
        if self._stopping():
            # The framework itself refuses jobs only after its drain has begun.
            return "Stopping", "the worker is stopping"
        if unable := self._unable():
            return unable
        if self.seats == 0:
            return "NoSlot", "no slot is free"
        if has_newer_protocol(job.metadata):
            return "NewerProtocol", "a later version of the worker created the interview"
        try:
            self._equip(job)
        except MetadataLocked as error:
            # After the refusal LiveKit asks another worker. If no worker accepts, the leader sends
            # another dispatch, encrypted with its own key.
            return "MetadataLocked", str(error)
        if self._is_late(job.metadata):
            return Cause.NO_WARM_PROCESS, "no process is warm, and preparing one takes long"
        return None

    async def on_request(self, request: JobRequest) -> None:
        """Accept or refuse a job that LiveKit offers."""
        if refusal := self._refusal(request.job):
            cause, problem = refusal
            logger.warning(
                "the worker refused a job: %s",
                problem,
                extra={"event": "job_refused", "job_id": request.id},
            )
            self._on_refused(cause)
            # With `terminate=False` the server asks another worker. Without that argument the
            # server would treat the rejection as the end of the job.
            await request.reject(terminate=False)
            return
        self.accepted.add(request.id)
        self._on_taken(request.id, request.job.room.name, request.job.metadata)
        try:
            # The job counts as accepted until `accept` returns, when the framework has handed it to
            # a process.
            identity = self._declared.identity(request.id)
            await request.accept(identity=identity, name=self._declared.display_name)
        finally:
            self.accepted.discard(request.id)
