"""Interface of a job for the other modules of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from worker.job.handle import JobHandle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from worker.job.application import Application


class RunnerJob(JobHandle, Protocol):
    """Interface of a job with members that only the modules of this package may use."""

    app: Application
    #: Task that publishes the audio output; None until the room is connected.
    opening: asyncio.Task[None] | None
    #: Task that loads the resources; None until loading begins. The task may continue after the
    #: session has started.
    loading: asyncio.Task[None] | None
    #: Functions that were registered with `after_session`, to be called after the session closes.
    last_records: list[Callable[[], Awaitable[None]]]
    #: True once the main process is gone, so CLOSING does not wait for the current speaker.
    orphaned: bool

    def ship_journal(self) -> None:
        """Begin to ingest the journal, if the job has a database."""
