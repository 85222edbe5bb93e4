"""The main process's part in continuity: it renews the leases of its jobs."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from livekit.agents.utils import aio

from worker.store.errors import DatabaseError
from worker.store.leases import renew_leases

if TYPE_CHECKING:
    from worker.bookkeeping import Bookkeeper
    from worker.settings import Settings

logger = logging.getLogger(__name__)

#: Seconds without a sign of life, which a job gives once a second, after which its lease is no
#: longer renewed: a stopped process must not keep an interview for ever.
_SILENT_S: Final = 6.0


class Continuity:
    """Keeps the interviews of one worker going, in its main process.

    Args:
        settings: The lease, its period, and the folder of the journals.
        books: Whose database it is.
        jobs: The jobs that have a process.
    """

    def __init__(
        self, settings: Settings, books: Bookkeeper, *, jobs: Callable[[], Iterable[str]]
    ) -> None:
        self._settings = settings
        self._books = books
        self._jobs = jobs
        #: Told apart from every other worker, also from the one before on this machine.
        self.worker_id = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; to be called on the event loop."""
        self._tasks.append(asyncio.create_task(self._renew(), name="renew-leases"))

    async def aclose(self) -> None:
        """Stop. Leases that are held then expire by themselves."""
        await aio.cancel_and_wait(*self._tasks)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._settings.lease_renew_s
            if (database := self._books.database) is not None:
                try:
                    await renew_leases(
                        database,
                        [each for each in self._jobs() if self._is_alive(each)],
                        worker_id=self.worker_id,
                        lease_s=self._settings.lease_s,
                        budget_s=self._settings.lease_renew_s,
                    )
                except DatabaseError as error:
                    logger.warning("leases were not renewed: %s", error)
                except Exception:
                    logger.exception("leases were not renewed")
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _is_alive(self, job_id: str) -> bool:
        """Whether the job's process gives signs of life; one without a journal can give none."""
        path: Path = self._settings.journal_dir / f"{job_id}.jsonl"
        try:
            return time.time() - path.stat().st_mtime < _SILENT_S
        except OSError:
            return True
