"""Fallback application that apologises when the real application cannot be created."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from worker.job.application import Application

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession

    from states import EndReason
    from worker.audio.clip import Clip
    from worker.job.handle import JobHandle
    from worker.resources.bootstrap import AgentResources
    from worker.resources.resource import Resource


class FailedApplication(Application):
    """Fallback application: the job connects, fails with `error`, and plays `words`."""

    def __init__(self, error: Exception, words: Callable[[], Clip | None]) -> None:
        self._error = error
        self._words = words

    def header(self) -> Mapping[str, Any]:
        """Return no fields, because nothing is known about the job."""
        return {}

    def resources(self) -> Sequence[Resource]:
        """Raise the error of the failed creation.

        The job calls `resources` after the job has joined the room, and before `start_session` and
        `run`.
        """
        self._crash()

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Raise the error of the failed creation."""
        self._crash()

    async def run(self, job: JobHandle) -> None:
        """Raise the error of the failed creation."""
        self._crash()

    def last_words(self, reason: EndReason) -> Clip | None:
        """Return the closing message that the factory declares, or the built-in apology."""
        return self._words()

    def waiting_words(self) -> Clip | None:
        """Return None, because the job ends immediately and the candidate does not wait."""
        return None

    def _crash(self) -> NoReturn:
        raise self._error
