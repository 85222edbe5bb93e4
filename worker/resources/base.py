"""What a resource is: declared, not wired. And what a loader reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from states import Condition, Event, Status

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from worker.resources.bootstrap import AgentResources


class LoadFailed(Exception):
    """A loader did not get its resource.

    `reason` is one word in CamelCase, `message` one sentence for people, both without personal
    data. `transient` says that the same call may succeed in a moment. `event` is what the loss
    means to the lifecycle when the resource is a required one. `meanwhile` is held in the place
    of the resource where it can still come to work by itself: a chain of providers, none of
    which could be made yet.
    """

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        transient: bool = False,
        event: Event = Event.ORCHESTRATOR_FAILED,
        meanwhile: Any | None = None,
    ) -> None:
        self.reason = reason
        self.message = message
        self.transient = transient
        self.event = event
        self.meanwhile = meanwhile
        super().__init__(f"{reason}: {message}" if message else reason)


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """How a loader fared: what the machine picks its path by."""

    name: str
    ok: bool
    #: "Loaded", or why not.
    reason: str
    message: str = ""
    elapsed_ms: float
    attempts: int
    required: bool = False
    #: For a required resource that failed: what it means to the lifecycle.
    event: Event = Event.ORCHESTRATOR_FAILED
    #: Of a failure: the same may succeed later.
    transient: bool = False

    def condition(self) -> Condition:
        """The resource's condition, as the lifecycle keeps it."""
        return Condition(
            resource=self.name,
            status=Status.READY if self.ok else Status.LOST,
            reason=self.reason,
            message=self.message,
            required=self.required,
        )


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often to try a transient failure again, and the back-off between the tries."""

    attempts: int = 3
    #: Seconds before the second attempt; doubled for each one after, with full jitter above half.
    first_delay_s: float = 0.1
    longest_delay_s: float = 2.0
    #: Seconds, from the beginning of all loading, that the attempts have together: one that is
    #: under way then is stopped, and the last failure is reported. None: as many as there are.
    within_s: float | None = None


Loader = Callable[["AgentResources"], Awaitable[Any]]
Closer = Callable[[Any], Awaitable[None]]
Attacher = Callable[["AgentSession[Any]", Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One thing a job needs, and everything there is to say about it."""

    name: str
    #: One sentence: what its loss means for the candidate.
    loss: str
    #: Gets it. Is given what has loaded before, for the resources it `needs`.
    load: Loader
    #: Frees it.
    close: Closer | None = None
    #: Puts it into a session that runs already.
    attach: Attacher | None = None
    #: Without it there is no session.
    required: bool = False
    #: Resources that must have reported, well or not, before this one loads.
    needs: tuple[str, ...] = ()
    #: Seconds for all attempts together. One that is optional and late goes on behind the
    #: session; the required one has the budget of BOOTSTRAPPING.
    budget_s: float = 5.0
    #: Seconds for `close`.
    close_budget_s: float = 2.0
    retry: Retry = Retry()
