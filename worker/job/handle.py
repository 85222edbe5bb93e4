"""Interface of a job for its application and for other modules of the job process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from states import Condition, Lifecycle
    from worker.config.settings import Settings
    from worker.job.floor import TurnFloor
    from worker.job.recorder import JobRecorder
    from worker.journal.shipper import JournalShipper
    from worker.resources.bootstrap import AgentResources
    from worker.transport.livekit_room import Transport


class JobHandle(Protocol):
    """Members of a job that its application may use."""

    #: The state machine: `fire` and `post` events, `subscribe` to transitions, read conditions.
    life: Lifecycle
    #: Writes steps, turns and faults into the journal.
    recorder: JobRecorder
    settings: Settings
    #: The transport of the job, with participants, audio output and text.
    transport: Transport
    #: The resources that have loaded, by name.
    resources: AgentResources
    #: The agent session; None until the session is created.
    session: AgentSession[Any] | None
    #: Ingests the journal while the job runs; None while the job has no database.
    shipper: JournalShipper | None
    #: Whose turn it is to speak; None until the application creates the object.
    floor: TurnFloor | None

    @property
    def keep_turn(self) -> Callable[..., Awaitable[None]]:
        """Function that writes a turn to the journal, and returns once the turn is committed.

        See `JobRecorder.turn`.
        """

    async def end(self, name: str) -> None:
        """End the job with the end `name` that the application declares in `ends`.

        Raises EndUnknown if the application declares no such end, and IllegalTransition in any
        state except RUNNING and CLOSING.
        """

    def after_session(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run `step` in the state CLOSING, once the session is closed."""

    def report(self, condition: Condition) -> None:
        """Report that a resource became unavailable, or available again, after it was loaded."""

    async def tell(self, condition: Condition) -> None:
        """Report a condition as `report` does; return once the lifecycle's listeners know it."""

    def crashed(self, error: Exception) -> None:
        """End the job as failed, with the reason JobCrashed."""
