"""Fallback application that apologises when the real application cannot be created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from worker.clips.recordings import ClipName, load_clip

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession

    from states import Reason
    from worker.audio.clip import Clip
    from worker.job.handle import JobHandle
    from worker.resources.bootstrap import AgentResources
    from worker.resources.resource import Resource


class FailedApplication:
    """Fallback application: the job connects, fails with `error`, and plays an apology."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def header(self) -> Mapping[str, Any]:
        """Return no fields, because nothing is known about the job."""
        return {}

    def resources(self) -> Sequence[Resource]:
        """Raise the error. The job calls this method first, once the job has joined the room."""
        self._crash()

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Raise the error."""
        self._crash()

    async def run(self, job: JobHandle) -> None:
        """Raise the error."""
        self._crash()

    def last_words(self, reason: Reason) -> Clip | None:
        """Return the worker's own apology clip, since the application's clips are not available."""
        return load_clip(ClipName.CANNOT_GO_ON)

    def waiting_words(self) -> Clip | None:
        """Return None, because the job ends immediately and the candidate does not wait."""
        return None

    def _crash(self) -> NoReturn:
        raise self._error
