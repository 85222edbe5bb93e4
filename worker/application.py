"""What the lifecycle asks of the agent that runs on it. Nothing here knows of interviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession

    from states import Reason
    from worker.interview.clips import Clip
    from worker.job import Job
    from worker.resources.base import Resource
    from worker.resources.bootstrap import AgentResources
    from worker.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """What a job was sent with."""

    job_id: str
    room: str
    #: As it came: often JSON, and perhaps not.
    metadata: str


class Application(Protocol):
    """An agent on the lifecycle: its resources, its session, and what it does while RUNNING.

    One is made for each job, before anything is connected, so making one must be cheap.
    """

    def header(self) -> Mapping[str, Any]:
        """Fields for the journal's header and for every log line. Never personal data."""
        ...

    def resources(self) -> Sequence[Resource]:
        """What the job needs, declared."""
        ...

    def start_session(self, job: Job, held: AgentResources) -> tuple[AgentSession[Any], Agent]:
        """Build the session and its agent from what has loaded; the job starts them."""
        ...

    async def run(self, job: Job) -> None:
        """Do the work while the job is RUNNING, and say to `job.life` how it ended."""
        ...

    def last_words(self, reason: Reason) -> Clip | None:
        """What to say before leaving for `reason`; None where there is nothing to say."""
        ...

    def waiting_words(self) -> Clip | None:
        """What to say to somebody who waits for the session; None for silence."""
        ...


class ApplicationFactory(Protocol):
    """Makes the application of one job. Must be importable by name: job processes are forked."""

    def __call__(self, dispatch: Dispatch, settings: Settings) -> Application:
        """Cheap, and never raises for what the metadata says: that is a loader's to report."""
        ...
