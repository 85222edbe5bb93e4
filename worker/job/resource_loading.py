"""Loading of a job's resources, including resources that load after their budget is spent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from states import Condition, Event, Phase, Status
from states.transition import IllegalTransition, LifecycleStopped
from worker.resources.bootstrap import bootstrap_resources
from worker.resources.resource import LoadReport, Resource

if TYPE_CHECKING:
    from worker.job.runner_job import RunnerJob

logger = logging.getLogger(__name__)


def pending(resource: Resource) -> Condition:
    """Return the condition of a resource that is about to be loaded."""
    return Condition(
        resource=resource.name,
        status=Status.PENDING,
        reason="Loading",
        required=resource.required,
    )


class ResourceLoading:
    """Reports the result of each loader to the job's lifecycle."""

    def __init__(self, job: RunnerJob) -> None:
        self._job = job

    async def load(self, resources: Sequence[Resource]) -> None:
        """Load all resources. Optional resources may continue to load while the session runs."""
        try:
            await bootstrap_resources(
                resources, self._job.resources, on_report=self._on_report, on_late=self._on_late
            )
            if self._job.life.state.phase is Phase.LOADING:
                await self._job.life.fire(Event.LOADERS_SETTLED)
        except IllegalTransition as error:
            logger.info(
                "loading the resources ended after the budget was spent: %s",
                error,
                extra={"event": "resource_loading_late"},
            )
        except Exception as error:
            self._job.crashed(error)

    async def _on_report(self, report: LoadReport) -> None:
        self._job.recorder.loader(f"load {report.name}", report)
        try:
            await self._job.life.fire(Event.LOADER_REPORTED, report.condition())
        except IllegalTransition:
            # The budget of BOOTSTRAPPING was spent before the loader's own budget.
            await self._take_late(report)
            return
        if report.required and not report.ok:
            logger.error(
                "required resource %s failed to load: %s",
                report.name,
                report.message or report.reason,
                extra={"event": "required_resource_failed"},
            )
            await self._job.life.fire(report.event)

    async def _on_late(self, report: LoadReport) -> None:
        """Handle the report of an optional loader that finished after its budget was spent."""
        self._job.recorder.loader(f"load {report.name} (late)", report)
        await self._take_late(report)

    async def _take_late(self, report: LoadReport) -> None:
        """Attach a resource that has loaded late, or report it as unavailable."""
        event = Event.RESOURCE_RECOVERED if report.ok else Event.RESOURCE_LOST
        try:
            if report.ok:
                await self._attach(report.name)
            await self._job.life.fire(event, report.condition())
        except (IllegalTransition, LifecycleStopped):
            return
        except Exception as error:
            logger.exception(
                "attaching resource %s to the session failed",
                report.name,
                extra={"event": "resource_attach_failed"},
            )
            self._job.recorder.fault(f"attach {report.name}", error)

    async def _attach(self, name: str) -> None:
        """Attach a resource to the running session.

        Without a session do nothing, because a later session is built with the resource.
        """
        if self._job.session is None:
            return
        # Wait until the session has started, because a starting session has no agent to which a
        # resource could be attached.
        await self._job.life.reached(Phase.SESSION, Phase.CLOSING)
        if self._job.life.state.phase is not Phase.SESSION:
            return
        self._job.ship_journal()
        resource = next(r for r in self._job.app.resources() if r.name == name)
        if resource.attach is not None:
            await resource.attach(self._job.session, self._job.resources.get(name))
