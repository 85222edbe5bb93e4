"""A job, as the runner's own modules see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from worker.job.handle import JobHandle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from worker.job.application import Application


class RunnerJob(JobHandle, Protocol):
    """Further members of a job that the runner's own modules use."""

    app: Application
    #: Publishes the audio output; None until the room is connected.
    opening: asyncio.Task[None] | None
    #: Loads the resources; may continue after the session has started. None until it begins.
    loading: asyncio.Task[None] | None
    #: The steps of `after_session`.
    last_records: list[Callable[[], Awaitable[None]]]
    #: True once the main process is gone: the job then waits for no speaker to finish.
    orphaned: bool
