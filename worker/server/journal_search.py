"""Searches the journal folder, twice a minute, for leftover journals of ended jobs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

from worker.aio.backoff import ExponentialBackoff
from worker.aio.threads import in_thread
from worker.journal.folder import JournalFile, journals_in
from worker.journal.owner import OtherHosts
from worker.server.journal_backlog import JournalBacklog

logger = logging.getLogger(__name__)

#: Seconds between two searches for leftover journals. Leftover journals belong to jobs that
#: outlived their main process, or were refused by the database.
_SEARCH = ExponentialBackoff(first_s=30.0, longest_s=30.0)
#: Maximum number of journals that are listed in a thread at a time.
_AT_A_TIME = 500


class JournalSearch:
    """Finds leftover journals of ended jobs, and calls `ingest` for one after the other.

    The search finds journals of earlier workers on this machine, and journals that could not be
    ingested before. Journals of running jobs are skipped.

    Args:
        folder: The folder of the journals.
        backlog: The journals that wait for ingestion.
        ingest: Ingests the journal of a job, and records the result in `backlog`. The arguments are
            the job's id and the exit code of the job's process (None if unknown).
        closing: Set once the worker stops.
    """

    def __init__(
        self,
        folder: Path,
        backlog: JournalBacklog,
        *,
        ingest: Callable[[str, int | None], Awaitable[None]],
        closing: asyncio.Event,
    ) -> None:
        self._folder = folder
        self._backlog = backlog
        self._ingest = ingest
        self._closing = closing
        self._others = OtherHosts()

    async def run(self) -> None:
        """Search now, and from then on regularly, until the worker stops."""
        at_start = True
        for delay_s in _SEARCH.delays():
            try:
                await self._search(at_start=at_start)
            except Exception:  # any error, because the next search may succeed
                logger.exception(
                    "searching for journals of ended jobs failed",
                    extra={"event": "journal_search_failed"},
                )
            at_start = False
            await pause(self._closing, delay_s)
            if self._closing.is_set():
                return

    async def _search(self, *, at_start: bool) -> None:
        """Ingest all journals in the folder that are due."""
        before, listed = self._backlog.known(), set[str]()
        journals = journals_in(self._folder)
        # List the journals in parts, because the folder may hold half a million.
        while found := await in_thread("leftovers", partial(_some, journals)):
            listed.update(each.job_id for each in found)
            due = [each for each in found if self._backlog.is_due(each, at_start=at_start)]
            for each in due:
                self._backlog.wait(each.job_id, each.age_s)
            for each in due:
                if self._closing.is_set():
                    return
                await self._ingest_if_ended(each.job_id)
        self._backlog.moved_away(before - listed)
        self._others.forget_all_but(listed)

    async def _ingest_if_ended(self, job_id: str) -> None:
        exit_code = self._backlog.exit_code(job_id)
        path = self._folder / f"{job_id}.jsonl"
        self._backlog.hold(job_id)
        try:
            if await in_thread("journal-owner", partial(self._others.may_write, path)):
                self._backlog.running(job_id, exit_code)
            else:
                await self._ingest(job_id, exit_code)
        except Exception:  # any error, because the other journals are waiting
            logger.exception(
                "ingesting a journal of an earlier worker failed",
                extra={"event": "leftover_ingestion_failed"},
            )
            self._backlog.refused(job_id, exit_code)


async def pause(closing: asyncio.Event, seconds: float) -> None:
    """Wait for `seconds`, or until `closing` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closing.wait()


def _some(journals: Iterator[JournalFile]) -> list[JournalFile]:
    """Return the next journals of a listing, at most `_AT_A_TIME`. Blocks while it reads."""
    return list(itertools.islice(journals, _AT_A_TIME))
