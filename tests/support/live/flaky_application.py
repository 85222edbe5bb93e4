"""The interview, with an orchestrator that does not come to be at first. For INTERVIEW_APPLICATION.

FAILURES in the environment says how often it fails in one job.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from worker.interview.application import InterviewApplication
from worker.resources.base import Resource
from worker.resources.bootstrap import AgentResources


class FlakyApplication(InterviewApplication):
    """Its orchestrator is loaded as ever, once it has failed so often."""

    _left = int(os.environ.get("FAILURES", "0"))

    def resources(self) -> Sequence[Resource]:
        """Those of the interview."""
        return [
            replace(resource, load=self._not_at_first) if resource.required else resource
            for resource in super().resources()
        ]

    async def _not_at_first(self, held: AgentResources) -> object:
        if self._left > 0:
            self._left -= 1
            raise ConnectionResetError("the plan's server hung up")
        return await self._load_orchestrator(held)
