"""Test resources, and a bootstrap whose reports are recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from worker.resources.bootstrap import AgentResources, bootstrap_resources
from worker.resources.resource import LoadReport, Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def now() -> float:
    return asyncio.get_running_loop().time()


class Loads:
    """Runs a bootstrap and records its reports and their times."""

    def __init__(self) -> None:
        self.held = AgentResources()
        self.reports: dict[str, LoadReport] = {}
        self.late: dict[str, LoadReport] = {}
        self.reported_at: dict[str, float] = {}

    async def of(self, *resources: Resource) -> None:
        began = asyncio.get_running_loop().time()

        async def on_report(report: LoadReport) -> None:
            assert report.name not in self.reports, "reported once"
            self.reports[report.name] = report
            self.reported_at[report.name] = asyncio.get_running_loop().time() - began

        async def on_late(report: LoadReport) -> None:
            self.late[report.name] = report

        await bootstrap_resources(resources, self.held, on_report=on_report, on_late=on_late)


def resource(
    name: str = "engine",
    *,
    after_s: float = 0.0,
    load: Callable[[], Awaitable[Any]] | None = None,
    **fields: Any,
) -> Resource:
    async def loader(_: AgentResources) -> Any:
        await asyncio.sleep(after_s)
        return await load() if load is not None else name

    return Resource(**{"name": name, "loss": "nothing", "load": loader, **fields})
