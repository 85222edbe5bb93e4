"""A job, as its application and the parts of the runner see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from states import Condition, Lifecycle
    from worker.config.settings import Settings
    from worker.job.floor import TurnFloor
    from worker.job.recorder import JobRecorder
    from worker.resources.bootstrap import AgentResources
    from worker.transport.livekit_room import Transport


class JobHandle(Protocol):
    """Members of a job that its application may use."""

    #: The state machine: `fire` and `post` events, `subscribe` to records, read conditions.
    life: Lifecycle
    #: Writes steps, turns and faults into the journal.
    book: JobRecorder
    settings: Settings
    #: The room: participants, audio output, text.
    stage: Transport
    #: The resources that have loaded, by name.
    held: AgentResources
    #: None until the session is made.
    session: AgentSession[Any] | None
    #: Whose turn it is to speak; set by the application, None until then.
    floor: TurnFloor | None

    @property
    def keep_turn(self) -> Callable[..., Awaitable[None]]:
        """Write a turn and return once it is committed: see `JobRecorder.turn`."""

    def after_session(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take this step once the session is closed, within CLOSING."""

    def report(self, condition: Condition) -> None:
        """Report that a resource became unavailable, or available again, after it was loaded."""

    async def tell(self, condition: Condition) -> None:
        """Report as `report` does, and return once every subscriber has the condition."""

    def crashed(self, error: Exception) -> None:
        """End the job as failed, JobCrashed."""
