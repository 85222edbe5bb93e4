"""`bootstrap_resources()`: load all resources concurrently, report each, and release them."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from states import Event
from worker import faults
from worker.bounded import bounded
from worker.resources.base import LoadFailed, LoadReport, Resource

logger = logging.getLogger(__name__)

Reporter = Callable[[LoadReport], Awaitable[None]]

#: Errors that count as transient if a loader does not classify them (ConnectionError is an
#: OSError).
_TRANSIENT = (OSError, TimeoutError)

#: First and longest delay in seconds between background attempts to load an optional resource.
_BEHIND_FIRST_S = 5.0
_BEHIND_LONGEST_S = 60.0

#: Seconds that cancelled loaders have to release what they hold.
_LOADER_STOP_S = 1.0


class AgentResources:
    """The resources of one job. `aclose` releases all of them, whatever happened before."""

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

        Each closer has its own budget. With `budget_s` seconds in total, each closer also has at
        most its share of the remaining time, so that one that hangs does not delay the others. A
        loader that ignores its cancellation is left running and releases its result when it gets
        one.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        ends_at = None if budget_s is None else loop.time() + budget_s
        loading = {*self._loading.values(), *self._telling}
        for task in loading:
            task.cancel()
        # A loader may catch its cancellation to release a partial result, so bound the wait.
        if loading:
            least = _LOADER_STOP_S if budget_s is None else min(_LOADER_STOP_S, budget_s / 3)
            await asyncio.wait(loading, timeout=least)
        while self._held:
            left_s = None if ends_at is None else max(0.0, ends_at - loop.time())
            share_s = None if left_s is None else left_s / self._closers()
            _, (resource, value) = self._held.popitem()
            if resource.close is None:
                continue
            outcome = await _timed_close(resource, value, share_s)
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
        """True once `aclose` has begun; later loads are released immediately."""
        return self._closed


async def bootstrap_resources(
    resources: Sequence[Resource],
    held: AgentResources,
    *,
    on_report: Reporter,
    on_late: Reporter,
) -> None:
    """Load `resources` into `held`: concurrently, except that each waits for those it `needs`.

    Return once each has reported or spent its budget. `on_report` is called once for each. An
    optional resource that exceeds its budget is reported as not ok (LoadTimeout) and keeps loading
    in the background; `on_late` is called when that load ends. An optional resource with a
    transient failure and no object to hold is retried in the background, with back-off, until it
    loads or fails permanently. A required resource has no budget of its own here: the caller's
    budget for the whole bootstrap limits it.
    """
    settled = {resource.name: asyncio.Event() for resource in resources}
    began = asyncio.get_running_loop().time()

    async def one(resource: Resource) -> None:
        for name in resource.needs:
            if name in settled:
                await settled[name].wait()
        loading = asyncio.create_task(_load(resource, held, began), name=f"load-{resource.name}")
        held._loading[resource.name] = loading  # both belong to one mechanism
        budget = None if resource.required else resource.budget_s
        done, _ = await asyncio.wait({loading}, timeout=budget)
        report = _declared(resource, loading.result() if done else _late(resource))
        held.reports[resource.name] = report
        if not done:
            loading.add_done_callback(lambda task: _report_late(task, resource, held, on_late))
        await on_report(report)
        settled[resource.name].set()
        if done:
            _go_on_trying(resource, held, on_late)

    async with asyncio.TaskGroup() as group:
        for resource in resources:
            group.create_task(one(resource), name=f"bootstrap-{resource.name}")


def _report_late(
    task: asyncio.Task[LoadReport], resource: Resource, held: AgentResources, on_late: Reporter
) -> None:
    if task.cancelled() or held.closed:
        return
    report = task.result()
    held.reports[report.name] = report

    async def tell() -> None:
        await on_late(report)
        _go_on_trying(resource, held, on_late)

    _in_background(held, tell(), f"late-{report.name}")


def _go_on_trying(resource: Resource, held: AgentResources, on_late: Reporter) -> None:
    """Retry in the background after a transient failure: nothing else would load the resource."""
    transient = held.reports[resource.name].transient
    if transient and not resource.required and resource.name not in held and not held.closed:
        trying = _try_until_there(resource, held, on_late)
        _in_background(held, trying, f"try-{resource.name}")


async def _try_until_there(resource: Resource, held: AgentResources, on_late: Reporter) -> None:
    once = replace(resource, retry=replace(resource.retry, attempts=1, within_s=None))
    longest_s = _BEHIND_FIRST_S
    while held.reports[resource.name].transient:
        await asyncio.sleep(random.uniform(longest_s / 2, longest_s))  # noqa: S311  # jitter
        longest_s = min(longest_s * 2, _BEHIND_LONGEST_S)
        held.reports[resource.name] = report = await _load(once, held, 0.0)
        if report.ok:
            await on_late(report)


def _in_background(held: AgentResources, work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.get_running_loop().create_task(work, name=name)
    held._telling.add(task)  # the loop keeps only a weak reference to a task
    task.add_done_callback(held._telling.discard)


def _declared(resource: Resource, report: LoadReport) -> LoadReport:
    """Return `report` with the resource's `needs` and its own budget."""
    return replace(
        report,
        needs=resource.needs,
        budget_s=None if resource.required else resource.budget_s,
    )


def _late(resource: Resource) -> LoadReport:
    return LoadReport(
        name=resource.name,
        ok=False,
        reason="LoadTimeout",
        message=f"not there after {resource.budget_s:g} s, and still loading",
        elapsed_ms=resource.budget_s * 1000,
        attempts=1,
    )


async def _load(resource: Resource, held: AgentResources, all_began: float) -> LoadReport:
    """Try until the load succeeds, a failure is permanent, or attempts or time are used up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    retry = resource.retry
    ends_at = all_began + retry.within_s if retry.within_s is not None else math.inf
    delay_s = retry.first_delay_s
    failure: LoadFailed | None = None
    for attempt in range(1, retry.attempts + 1):
        # Only retries have a deadline: at that time the last failure must be reported. The first
        # attempt may take the caller's whole budget.
        limit = asyncio.timeout_at(ends_at if failure and ends_at < math.inf else None)
        try:
            async with limit:
                value = await faults.at("load", resource.load(held), resource.name)
        except Exception as error:
            if failure is None or not limit.expired():
                failure = _failure(error)
            logger.warning(
                "loading %s failed: %s", resource.name, failure, extra={"attempt": attempt}
            )
            again = attempt < retry.attempts and loop.time() + delay_s < ends_at
            if failure.transient and again:
                await _release(resource, failure.meanwhile)
                failure.meanwhile = None
                await asyncio.sleep(random.uniform(delay_s / 2, delay_s))  # noqa: S311  # jitter
                delay_s = min(delay_s * 2, retry.longest_delay_s)
                continue
            await _keep(resource, failure.meanwhile, held)
            return _report(resource, attempt, loop.time() - began, failure)
        elapsed_s = loop.time() - began
        if not await _keep(resource, value, held):
            return _report(resource, attempt, elapsed_s, LoadFailed("CameTooLate"))
        return _report(resource, attempt, elapsed_s, None)
    raise AssertionError("a resource is tried at least once")


async def _keep(resource: Resource, value: Any, held: AgentResources) -> bool:
    """Hold a loaded value; after `aclose` began, release the value and return False."""
    if held.closed:
        await _release(resource, value)
        return False
    if value is not None:
        held.hold(resource, value)
    return True


async def _release(resource: Resource, value: Any) -> None:
    if value is not None:
        await _timed_close(resource, value, None)


def _failure(error: Exception) -> LoadFailed:
    if isinstance(error, LoadFailed):
        return error
    # The message of a foreign error may quote personal data, so keep only its type.
    return LoadFailed(type(error).__name__, transient=isinstance(error, _TRANSIENT))


def _report(
    resource: Resource, attempts: int, elapsed_s: float, failure: LoadFailed | None
) -> LoadReport:
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


async def _timed_close(resource: Resource, value: Any, share_s: float | None) -> LoadReport:
    """Close a resource within its budget, or within `share_s` seconds if that is less."""
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
        failure = _failure(error)
    if failure is None:
        return _closed(_report(resource, 1, loop.time() - began, None))
    logger.warning("%s did not close: %s", resource.name, failure.reason)
    return _report(resource, 1, loop.time() - began, failure)


def _closed(report: LoadReport) -> LoadReport:
    return LoadReport(**{**vars(report), "reason": "Closed"})
