"""Declaration of a resource, and the report of a loader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from states import Condition, Event, Status

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from worker.resources.bootstrap import AgentResources


class LoadFailed(Exception):
    """Raised by a loader that could not get its resource.

    Args:
        reason: One word in CamelCase, without personal data.
        message: One sentence for people, without personal data.
        transient: The same call may succeed a moment later.
        event: The lifecycle event that the failure of a required resource causes.
        meanwhile: The object to hold in place of the resource if it may still start to work: a
            fallback chain none of whose providers could be created yet.
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
    """Result of a loader. The state machine chooses its path by these reports."""

    name: str
    ok: bool
    #: "Loaded", or the reason of the failure.
    reason: str
    message: str = ""
    elapsed_ms: float
    attempts: int
    required: bool = False
    #: For a required resource that failed: the lifecycle event that it causes.
    event: Event = Event.ORCHESTRATOR_FAILED
    #: For a failure: the same call may succeed later.
    transient: bool = False
    #: For a loader: the resources that it waited for, and its budget in seconds; None means the
    #: budget of the state.
    needs: tuple[str, ...] | None = None
    budget_s: float | None = None

    def condition(self) -> Condition:
        """Return the resource's condition for the lifecycle."""
        return Condition(
            resource=self.name,
            status=Status.READY if self.ok else Status.LOST,
            reason=self.reason,
            message=self.message,
            required=self.required,
        )


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Number of attempts after transient failures, and the back-off between them."""

    attempts: int = 3
    #: Seconds before the second attempt; doubled for each later one, with jitter over the upper
    #: half.
    first_delay_s: float = 0.1
    longest_delay_s: float = 2.0
    #: Seconds for all attempts together, counted from the start of the bootstrap. At that time a
    #: running retry is stopped and the last failure is reported. None: no limit but `attempts`.
    within_s: float | None = None


Loader = Callable[["AgentResources"], Awaitable[Any]]
Closer = Callable[[Any], Awaitable[None]]
Attacher = Callable[["AgentSession[Any]", Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Declaration of one thing that a job needs: how to load, attach and close it."""

    name: str
    #: One sentence: the effect of its loss on the candidate.
    loss: str
    #: Loads the resource. Receives the resources loaded so far, for those that it `needs`.
    load: Loader
    #: Releases the resource.
    close: Closer | None = None
    #: Attaches the resource to a session that already runs.
    attach: Attacher | None = None
    #: The session cannot start without it.
    required: bool = False
    #: Resources whose loaders must have reported, ok or failed, before this one loads.
    needs: tuple[str, ...] = ()
    #: Seconds for all attempts together. An optional resource that exceeds them keeps loading in
    #: the background while the session runs; a required one has the budget of BOOTSTRAPPING
    #: instead.
    budget_s: float = 5.0
    #: Seconds for `close`.
    close_budget_s: float = 2.0
    retry: Retry = Retry()
