"""What a resource is: declared, not wired. And what a loader reports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from states import Condition, Event, Status
from worker.bounded import bounded

if TYPE_CHECKING:
    from livekit.agents import AgentSession

logger = logging.getLogger(__name__)

#: What passes by itself, where a loader says nothing else (ConnectionError is an OSError).
_TRANSIENT = (OSError, TimeoutError)
#: Seconds that loaders which are stopped have to free what they hold half of.
_LOADER_STOP_S = 1.0


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
    #: Of a loader: the resources that it waited for, and the seconds it had; None: the state's.
    needs: tuple[str, ...] | None = None
    budget_s: float | None = None

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


Reporter = Callable[[LoadReport], Awaitable[None]]


class AgentResources:
    """What one job holds. `aclose` frees all of it, whatever happened before."""

    def __init__(self) -> None:
        self.reports: dict[str, LoadReport] = {}
        self._held: dict[str, tuple[Resource, Any]] = {}
        self._loading: dict[str, asyncio.Task[LoadReport]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._closed = False

    def get(self, name: str) -> Any | None:
        """The resource, or None where it is not (yet) there."""
        held = self._held.get(name)
        return held[1] if held else None

    def __contains__(self, name: object) -> bool:
        return name in self._held

    async def reported(self, name: str) -> None:
        """Return once the loader of `name` is done, well or not, or its budget is spent."""
        task = self._loading.get(name)
        if task is not None:
            await asyncio.wait({task})

    async def aclose(
        self, report: Reporter | None = None, *, budget_s: float | None = None
    ) -> None:
        """Stop what still loads, then close in reverse order, each in its own budget.

        With `budget_s` seconds for all of it, each closer has at most its share of what is
        left: one that hangs costs the others nothing. A loader that does not let itself be
        stopped is left behind, and frees what it gets when it gets it.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        ends_at = None if budget_s is None else loop.time() + budget_s
        loading = {*self._loading.values(), *self._telling}
        for task in loading:
            task.cancel()
        # A loader may catch its cancellation to free half of what it had: bounded all the same.
        if loading:
            least = _LOADER_STOP_S if budget_s is None else min(_LOADER_STOP_S, budget_s / 3)
            await asyncio.wait(loading, timeout=least)
        while self._held:
            left_s = None if ends_at is None else max(0.0, ends_at - loop.time())
            share_s = None if left_s is None else left_s / self._closers()
            _, (resource, value) = self._held.popitem()
            if resource.close is None:
                continue
            outcome = await close_in_time(resource, value, share_s)
            if report is not None:
                await report(outcome)

    def _closers(self) -> int:
        """How many of those held have something to close; 1 where none has."""
        return max(1, sum(resource.close is not None for resource, _ in self._held.values()))

    def hold(self, resource: Resource, value: Any) -> None:
        """Take a loaded resource; it will be freed by `aclose`."""
        self._held[resource.name] = (resource, value)

    @property
    def closed(self) -> bool:
        """Whether `aclose` has begun: what loads now comes too late."""
        return self._closed


def failure_of(error: Exception) -> LoadFailed:
    """Return what a loader or closer raised, as a LoadFailed without foreign messages."""
    if isinstance(error, LoadFailed):
        return error
    # The message of a foreign error may quote anything: only its kind is kept.
    return LoadFailed(type(error).__name__, transient=isinstance(error, _TRANSIENT))


def report_of(
    resource: Resource, attempts: int, elapsed_s: float, failure: LoadFailed | None
) -> LoadReport:
    """Return the report of a load or close that took so many attempts and seconds."""
    return LoadReport(
        name=resource.name,
        ok=failure is None,
        reason=failure.reason if failure else "Loaded",
        message=failure.message if failure else "",
        elapsed_ms=round(elapsed_s * 1000, 3),
        attempts=attempts,
        required=resource.required,
        event=failure.event if failure else Event.ORCHESTRATOR_FAILED,
        transient=failure is not None and failure.transient,
    )


async def close_in_time(resource: Resource, value: Any, share_s: float | None) -> LoadReport:
    """Close in the resource's budget, or in `share_s` seconds where that is less."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    bound = resource.close_budget_s if share_s is None else min(resource.close_budget_s, share_s)
    failure: LoadFailed | None = None

    async def close() -> None:
        if resource.close is not None:
            await resource.close(value)

    try:
        await bounded(close(), bound)
    except TimeoutError:
        failure = LoadFailed("CloseTimeout", f"not closed after {bound:.3g} s")
    except Exception as error:
        failure = failure_of(error)
    if failure is None:
        return _closed(report_of(resource, 1, loop.time() - began, None))
    logger.warning("%s did not close: %s", resource.name, failure.reason)
    return report_of(resource, 1, loop.time() - began, failure)


def _closed(report: LoadReport) -> LoadReport:
    return LoadReport(**{**vars(report), "reason": "Closed"})
