"""The interview application, with an orchestrator that fails to load at first.

Use it as INTERVIEW_APPLICATION. The environment variable FAILURES is the number of failures per
job.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from worker.interview.application import InterviewApplication
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import Resource


class FlakyApplication(InterviewApplication):
    """Interview application whose orchestrator loads only after a number of failures."""

    _left = int(os.environ.get("FAILURES", "0"))

    def resources(self) -> Sequence[Resource]:
        """Return the interview's resources; the required ones fail to load at first."""
        return [
            replace(resource, load=self._not_at_first) if resource.required else resource
            for resource in super().resources()
        ]

    async def _not_at_first(self, held: AgentResources) -> object:
        if self._left > 0:
            self._left -= 1
            raise ConnectionResetError("the plan's server hung up")
        return await self._load_orchestrator(held)
