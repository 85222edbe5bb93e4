"""Declaration of a resource, and the report of a loader."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from states import Condition, Event, Status
from worker.aio.timeouts import run_with_timeout

if TYPE_CHECKING:
    from livekit.agents import AgentSession

logger = logging.getLogger(__name__)

#: Errors that count as transient if a loader does not classify them (ConnectionError is an
#: OSError).
_TRANSIENT = (OSError, TimeoutError)
#: Maximum seconds for cancelled loaders to release partial results.
_LOADER_STOP_S = 1.0


class LoadFailed(Exception):
    """Raised by a loader that could not get its resource.

    Args:
        reason: One word in CamelCase, without personal data.
        message: One sentence for people, without personal data.
        transient: True if the same call may succeed a moment later.
        event: The lifecycle event that the failure of a required resource causes; None for the
            resource's own `failed_event`.
        meanwhile: An object to hold in place of the resource, if that object may still start to
            work. A fallback chain that could not create any of its providers yet is an example of
            such an object.
    """

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        transient: bool = False,
        event: Event | None = None,
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
    """Result of a loader. The state machine chooses its next state by these reports."""

    name: str
    ok: bool
    #: "Loaded", or the reason of the failure.
    reason: str
    message: str = ""
    elapsed_ms: float
    attempts: int
    required: bool = False
    #: The lifecycle event that the failure of a required resource causes.
    event: Event = Event.RESOURCE_FAILED
    #: True if loading has failed, but the same call may succeed later.
    transient: bool = False
    #: The resources that the loader waited for; None in the report of a closer.
    needs: tuple[str, ...] | None = None
    #: The loader's time budget in seconds. If None, the time budget of the state BOOTSTRAPPING
    #: applies.
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
    """Number of attempts if loading fails transiently, and the back-off between the attempts."""

    attempts: int = 3
    #: Seconds before the second attempt. The delay doubles for each later attempt. Jitter picks a
    #: random value from the upper half of the delay.
    first_delay_s: float = 0.1
    longest_delay_s: float = 2.0
    #: Maximum seconds for all attempts together, counted from the start of the bootstrap. After
    #: `within_s` seconds, a running retry is stopped and the last failure is reported. None means
    #: that only `attempts` limits the retries.
    within_s: float | None = None


Loader = Callable[["AgentResources"], Awaitable[Any]]
Closer = Callable[[Any], Awaitable[None]]
Attacher = Callable[["AgentSession[Any]", Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What the loss of a resource, at any time, means for a conversation and its candidate."""

    #: Sentence that says what the candidate hears or reads after the loss; empty if not known.
    noticed: str = ""
    #: Name of the recorded clip that announces the loss. The candidate also gets the clip's text in
    #: writing. None if no announcement is needed.
    told: str | None = None
    #: A pair: what ends turns while the resource is missing, and what ends turns while the resource
    #: is loaded. Each is a turn detection mode of the framework (stt, vad), or the name of a
    #: resource that is a turn detector.
    turns_end_on: tuple[str, str] | None = None
    #: True if nothing that the candidate says is understood without the resource.
    deafens: bool = False


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Declares one resource of a job: how to load, attach and close it, and what its loss means."""

    name: str
    #: One sentence that tells how the worker behaves without the resource.
    loss: str
    #: What the loss means for the candidate, if anything.
    consequence: Consequence = Consequence()
    #: Loads the resource. The argument holds the resources loaded so far, including those in
    #: `needs`.
    load: Loader
    #: Releases the resource.
    close: Closer | None = None
    #: Attaches the resource to a session that already runs.
    attach: Attacher | None = None
    #: True if the session cannot start without the resource.
    required: bool = False
    #: The lifecycle event that the failure of a required resource causes, unless the loader names
    #: another event.
    failed_event: Event = Event.RESOURCE_FAILED
    #: Resources whose loaders must have ended, ok or failed, before this resource is loaded.
    needs: tuple[str, ...] = ()
    #: Maximum seconds for all attempts to load the resource. An optional resource that takes longer
    #: keeps loading in the background while the session runs. For a required resource the time
    #: budget of the state BOOTSTRAPPING applies instead.
    budget_s: float = 5.0
    #: Maximum seconds for `close`.
    close_budget_s: float = 2.0
    retry: Retry = Retry()


Reporter = Callable[[LoadReport], Awaitable[None]]


class AgentResources:
    """The resources of one job. `aclose` releases all resources, whatever happened before."""

    def __init__(self) -> None:
        self.reports: dict[str, LoadReport] = {}
        self._held: dict[str, tuple[Resource, Any]] = {}
        self._loading: dict[str, asyncio.Task[LoadReport]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._closed = False

    def get(self, name: str) -> Any | None:
        """Return the resource, or None if it is not loaded."""
        held = self._held.get(name)
        return held[1] if held else None

    def __contains__(self, name: object) -> bool:
        return name in self._held

    async def reported(self, name: str) -> None:
        """Wait until the running loader of `name` ends, ok or failed."""
        task = self._loading.get(name)
        if task is not None:
            await asyncio.wait({task})

    async def aclose(
        self, report: Reporter | None = None, *, budget_s: float | None = None
    ) -> None:
        """Cancel the running loaders, then close the resources in reverse order.

        Each closer has its own budget. `budget_s` limits all closers together, in seconds: each
        gets at most an equal share of the remaining time, so that a closer that hangs takes no time
        from the others. A loader that ignores its cancellation is left running, and later releases
        what it has loaded.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        ends_at = None if budget_s is None else loop.time() + budget_s
        loading = {*self._loading.values(), *self._telling}
        for task in loading:
            task.cancel()
        # Limit the wait, because a loader may catch its cancellation to release a partial result.
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
        """Return the number of held resources that have a closer, at least 1."""
        return max(1, sum(resource.close is not None for resource, _ in self._held.values()))

    def hold(self, resource: Resource, value: Any) -> None:
        """Store a loaded resource; `aclose` releases it."""
        self._held[resource.name] = (resource, value)

    @property
    def closed(self) -> bool:
        """True once `aclose` has begun. Resources loaded later are released immediately."""
        return self._closed


def failure_of(error: Exception) -> LoadFailed:
    """Convert a loader's or closer's exception to a LoadFailed. The original message is dropped."""
    if isinstance(error, LoadFailed):
        return error
    # The message of a foreign error may quote personal data, so keep only its type.
    return LoadFailed(type(error).__name__, transient=isinstance(error, _TRANSIENT))


def report_of(
    resource: Resource, attempts: int, elapsed_s: float, failure: LoadFailed | None
) -> LoadReport:
    """Return the report of a loader or closer that took this many attempts and seconds."""
    return LoadReport(
        name=resource.name,
        ok=failure is None,
        reason=failure.reason if failure else "Loaded",
        message=failure.message if failure else "",
        elapsed_ms=round(elapsed_s * 1000, 3),
        attempts=attempts,
        required=resource.required,
        event=(failure.event if failure else None) or resource.failed_event,
        transient=failure is not None and failure.transient,
    )


async def close_in_time(resource: Resource, value: Any, share_s: float | None) -> LoadReport:
    """Close a resource within `close_budget_s` seconds, or within `share_s` if that is less."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    bound = resource.close_budget_s if share_s is None else min(resource.close_budget_s, share_s)
    failure: LoadFailed | None = None

    async def close() -> None:
        if resource.close is not None:
            await resource.close(value)

    try:
        await run_with_timeout(close(), bound)
    except TimeoutError:
        failure = LoadFailed("CloseTimeout", f"not closed after {bound:.3g} s")
    except Exception as error:
        failure = failure_of(error)
    if failure is None:
        return _closed(report_of(resource, 1, loop.time() - began, None))
    logger.warning(
        "the resource %s did not close: %s",
        resource.name,
        failure.reason,
        extra={"event": "resource_close_failed"},
    )
    return report_of(resource, 1, loop.time() - began, failure)


def _closed(report: LoadReport) -> LoadReport:
    return LoadReport(**{**vars(report), "reason": "Closed"})
