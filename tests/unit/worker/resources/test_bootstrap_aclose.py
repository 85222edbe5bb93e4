"""The release of resources, on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.virtual.async_steps import (
    broken,
    cancelled_inside,
    deaf,
    done,
    end_what_is_left,
    for_ever,
)
from tests.support.virtual.resource_parts import Loads, now, resource
from worker.resources import resource as resource_module
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadReport, Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime


# --- stopping while loading ---------------------------------------------------------------------


@pytest.mark.row("S3")
async def test_a_cancelled_bootstrap_leaves_nothing_running_once_closed() -> None:
    closed: list[object] = []

    async def close(value: object) -> None:
        closed.append(value)

    loads = Loads()
    work = asyncio.create_task(
        loads.of(
            resource("quick", close=close),
            resource("slow", load=for_ever, close=close),
            resource("next", needs=("slow",)),
        )
    )
    await asyncio.sleep(1.0)
    work.cancel()
    await asyncio.wait({work})
    await loads.held.aclose()
    assert closed == ["quick"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.row("S3")
async def test_a_loader_that_finishes_after_closing_releases_its_resource() -> None:
    """The loader caught its cancellation, and everything else has been closed by then."""
    closed: list[object] = []

    async def close(value: object) -> None:
        closed.append(value)

    async def load() -> str:
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(30)
        return "a connection"

    loads = Loads()
    await loads.of(resource("db", load=load, close=close, budget_s=1.0))
    began = now()
    await loads.held.aclose()
    assert now() - began < 30
    assert closed == []

    await loads.held.reported("db")
    assert closed == ["a connection"]
    assert "db" not in loads.held


# --- closing ------------------------------------------------------------------------------------


class Closers:
    """Resources that record their closing."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.reports: dict[str, LoadReport] = {}

    def of(self, name: str, how: Callable[[], Awaitable[None]] = done, **fields: Any) -> Resource:
        async def close(_: object) -> None:
            self.order.append(name)
            await how()

        return resource(name, close=close, **fields)

    async def report(self, report: LoadReport) -> None:
        self.reports[report.name] = report

    async def close(self, *resources: Resource, budget_s: float | None = None) -> AgentResources:
        held = AgentResources()
        for one in resources:
            held.hold(one, one.name)
        await held.aclose(self.report, budget_s=budget_s)
        return held


@pytest.mark.row("S3")
async def test_resources_are_closed_in_reverse_order() -> None:
    closers = Closers()
    held = await closers.close(*(closers.of(name) for name in "abc"))
    assert closers.order == ["c", "b", "a"]
    assert [r.reason for r in closers.reports.values()] == ["Closed"] * 3
    assert "a" not in held
    assert held.closed


async def test_a_resource_without_a_closer_is_released() -> None:
    closers = Closers()
    held = await closers.close(resource("plain"), closers.of("one"))
    assert closers.order == ["one"]
    assert "plain" not in held


async def test_a_second_close_does_nothing() -> None:
    closers = Closers()
    held = await closers.close(closers.of("one"))
    await held.aclose(closers.report)
    assert closers.order == ["one"]


@pytest.mark.row("S3")
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (broken, "ValueError"),
        (cancelled_inside, "CancelledInside"),
        (for_ever, "CloseTimeout"),
        (deaf, "CloseTimeout"),
    ],
)
async def test_a_failing_closer_does_not_prevent_the_others(
    how: Callable[[], Awaitable[None]], reason: str
) -> None:
    closers, began = Closers(), now()
    await closers.close(
        closers.of("a"), closers.of("bad", how, close_budget_s=2.0), closers.of("c")
    )
    assert closers.order == ["c", "bad", "a"]
    assert (closers.reports["bad"].ok, closers.reports["bad"].reason) == (False, reason)
    assert closers.reports["a"].ok
    assert now() - began <= 2.001
    await end_what_is_left()


async def test_a_closer_that_raises_immediately_counts_as_failed() -> None:
    closers = Closers()
    bad = resource("bad", close=lambda value: value.no_such_method())
    await closers.close(closers.of("a"), bad)
    assert closers.reports["bad"].reason == "AttributeError"
    assert closers.order == ["a"]


@pytest.mark.row("B9")
async def test_each_closer_gets_its_share_of_the_common_budget() -> None:
    closers, began = Closers(), now()
    await closers.close(*(closers.of(name, for_ever) for name in "abcd"), budget_s=4.0)
    assert closers.order == ["d", "c", "b", "a"]
    assert now() - began == pytest.approx(4.0)


async def test_time_left_by_quick_closers_goes_to_the_others() -> None:
    closers, began = Closers(), now()
    slow = closers.of("slow", for_ever, close_budget_s=3.0)
    await closers.close(slow, *(closers.of(name) for name in "bcd"), budget_s=4.0)
    assert now() - began == pytest.approx(3.0)


async def test_a_loader_that_ignores_cancellation_leaves_time_for_the_closers() -> None:
    closers, loads = Closers(), Loads()
    await loads.of(closers.of("one"), resource("deaf", load=deaf, budget_s=1.0))
    began = now()
    await loads.held.aclose(closers.report, budget_s=3.0)
    assert closers.reports["one"].ok
    assert now() - began == pytest.approx(resource_module._LOADER_STOP_S)
    await end_what_is_left()
