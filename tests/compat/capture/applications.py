"""Applications for INTERVIEW_APPLICATION, whose jobs end in a way that no interview does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.interview.application import InterviewApplication

if TYPE_CHECKING:
    from worker.job.handle import JobHandle


class Done(InterviewApplication):
    """Its work is over as soon as it begins: completed, WorkDone."""

    async def run(self, job: JobHandle) -> None:
        """Return without an event."""


class Broken(InterviewApplication):
    """Its work raises: failed, JobCrashed."""

    async def run(self, job: JobHandle) -> None:
        """Raise."""
        raise RuntimeError("this application always fails")
