"""A job, as the runner's own modules see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from worker.job.handle import JobHandle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from worker.job.application import Application


class RunnerJob(JobHandle, Protocol):
    """What the runner's own modules use besides."""

    app: Application
    #: Publishes the audio output; None until the room is connected.
    opening: asyncio.Task[None] | None
    #: Loads the resources; may go on behind the session. None until it begins.
    loading: asyncio.Task[None] | None
    #: The steps of `after_session`.
    last_records: list[Callable[[], Awaitable[None]]]
    #: The main process is gone: nothing is waited for.
    orphaned: bool
