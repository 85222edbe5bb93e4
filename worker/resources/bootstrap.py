"""`bootstrap_resources()`: load all resources concurrently, and report each result."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from worker import faults
from worker.aio.backoff import ExponentialBackoff
from worker.resources.resource import AgentResources as AgentResources
from worker.resources.resource import (
    LoadFailed,
    LoadReport,
    Reporter,
    Resource,
    close_in_time,
    failure_of,
    report_of,
)

logger = logging.getLogger(__name__)

#: Back-off between two attempts to load an optional resource in the background, while the session
#: runs.
_BEHIND = ExponentialBackoff(first_s=5.0, longest_s=60.0)


async def bootstrap_resources(
    resources: Sequence[Resource],
    held: AgentResources,
    *,
    on_report: Reporter,
    on_late: Reporter,
) -> None:
    """Load `resources` concurrently into `held`.

    Each loader first waits for the resources in `Resource.needs`.

    Return once each loader has ended or exceeded its budget. `on_report` is called once for each
    resource. An optional resource that exceeds its budget is reported as not ok (LoadTimeout), and
    its loader continues in the background. `on_late` is called when a loader in the background
    ends. If the loader of an optional resource fails transiently, and supplies no temporary object
    (`LoadFailed.meanwhile`), the loader is retried in the background, with back-off, until it
    succeeds or fails permanently. The loader of a required resource has no separate budget, because
    the caller's budget limits the whole bootstrap.
    """
    settled = {resource.name: asyncio.Event() for resource in resources}
    began = asyncio.get_running_loop().time()

    async def one(resource: Resource) -> None:
        for name in resource.needs:
            if name in settled:
                await settled[name].wait()
        loading = asyncio.create_task(_load(resource, held, began), name=f"load-{resource.name}")
        # A private attribute that only this module and resource.py use.
        held._loading[resource.name] = loading
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
    """Retry an optional resource in the background if its loader had a transient failure."""
    transient = held.reports[resource.name].transient
    if transient and not resource.required and resource.name not in held and not held.closed:
        trying = _try_until_there(resource, held, on_late)
        _in_background(held, trying, f"try-{resource.name}")


async def _try_until_there(resource: Resource, held: AgentResources, on_late: Reporter) -> None:
    once = replace(resource, retry=replace(resource.retry, attempts=1, within_s=None))
    delays = _BEHIND.delays()
    while held.reports[resource.name].transient:
        await asyncio.sleep(next(delays))
        held.reports[resource.name] = report = await _load(once, held, 0.0)
        if report.ok:
            await on_late(report)


def _in_background(held: AgentResources, work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.get_running_loop().create_task(work, name=name)
    # Keep a reference, because the event loop keeps only a weak reference to a task.
    held._telling.add(task)
    task.add_done_callback(held._telling.discard)


def _declared(resource: Resource, report: LoadReport) -> LoadReport:
    """Return `report` with the `needs` and the time budget that the resource declares."""
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
        message=f"not loaded after {resource.budget_s:g} s, still loading",
        elapsed_ms=resource.budget_s * 1000,
        attempts=1,
    )


async def _load(resource: Resource, held: AgentResources, all_began: float) -> LoadReport:
    """Call the loader until it succeeds or fails permanently, or attempts or time are used up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    retry = resource.retry
    ends_at = all_began + retry.within_s if retry.within_s is not None else math.inf
    backoff = ExponentialBackoff(first_s=retry.first_delay_s, longest_s=retry.longest_delay_s)
    failure: LoadFailed | None = None
    for attempt, delay_s in zip(range(1, retry.attempts + 1), backoff.delays(), strict=False):
        # The deadline `within_s` applies only to retries, and the last failure is reported then.
        # The first attempt may take the caller's whole budget.
        limit = asyncio.timeout_at(ends_at if failure and ends_at < math.inf else None)
        try:
            async with limit:
                value = await faults.at("load", resource.load(held), resource.name)
        except Exception as error:
            if failure is None or not limit.expired():
                failure = failure_of(error)
            logger.warning(
                "loading the resource %s failed: %s",
                resource.name,
                failure,
                extra={"event": "resource_load_failed", "attempt": attempt},
            )
            again = attempt < retry.attempts and loop.time() + delay_s < ends_at
            if failure.transient and again:
                await _release(resource, failure.meanwhile)
                failure.meanwhile = None
                await asyncio.sleep(delay_s)
                continue
            await _keep(resource, failure.meanwhile, held)
            return report_of(resource, attempt, loop.time() - began, failure)
        elapsed_s = loop.time() - began
        if not await _keep(resource, value, held):
            return report_of(resource, attempt, elapsed_s, LoadFailed("CameTooLate"))
        return report_of(resource, attempt, elapsed_s, None)
    raise AssertionError("`attempts` is less than 1")


async def _keep(resource: Resource, value: Any, held: AgentResources) -> bool:
    """Store a value in `held`. If `aclose` has begun, release the value and return False."""
    if held.closed:
        await _release(resource, value)
        return False
    if value is not None:
        held.hold(resource, value)
    return True


async def _release(resource: Resource, value: Any) -> None:
    if value is not None:
        await close_in_time(resource, value, None)
