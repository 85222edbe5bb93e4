"""What stands in for an application that cannot be made, so that nobody is left in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from worker.interview.clips import ClipName, load_clip

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession

    from states import Reason
    from worker.job_handle import JobHandle
    from worker.resources.base import Resource
    from worker.resources.bootstrap import AgentResources
    from worker.speech.clip import Clip


class Apology:
    """In the place of an application: the job connects, crashes with `error`, and apologises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def header(self) -> Mapping[str, Any]:
        """Nothing is known of what the job was for."""
        return {}

    def resources(self) -> Sequence[Resource]:
        """Raises the error: the first that the job asks for once it is in the room."""
        self._crash()

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Raises the error."""
        self._crash()

    async def run(self, job: JobHandle) -> None:
        """Raises the error."""
        self._crash()

    def last_words(self, reason: Reason) -> Clip | None:
        """The worker's own apology: the application's words are not to be had."""
        return load_clip(ClipName.CANNOT_GO_ON)

    def waiting_words(self) -> Clip | None:
        """Nobody waits: it ends at once."""
        return None

    def _crash(self) -> NoReturn:
        raise self._error
