"""Database work of the main process: migrating the schema, and ingesting journals of ended jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from worker.aio.backoff import ExponentialBackoff, spread
from worker.aio.tasks import log_failure
from worker.aio.threads import in_thread, in_thread_within
from worker.config.settings import Settings
from worker.journal.folder import age_of, remove_older
from worker.journal.recovery import SHIPPED
from worker.resources.database import open_database
from worker.server.journal_backlog import JournalBacklog
from worker.server.journal_ingestion import Attempt, attempts
from worker.server.journal_search import JournalSearch, pause
from worker.store.database import Database
from worker.store.errors import DatabaseError
from worker.store.migrate import migrate
from worker.store.schema import MigrationChanged, SchemaDiffers

logger = logging.getLogger(__name__)

#: Seconds over which workers that start at the same time spread their first connections.
_SPREAD_S = 0.25
#: Maximum seconds that a starting worker waits for the database to answer.
_START_BUDGET_S = 5.0
_RETRY = ExponentialBackoff(first_s=1.0, longest_s=30.0)
_DAY_S = 86_400.0
#: Maximum seconds to wait until the disk tells whether the journal of an ended job exists.
_AGE_WITHIN_S = 5.0
#: Maximum seconds that a stopping worker waits for the running ingestion to finish. The next worker
#: on this machine ingests the remaining journals.
_STOP_BUDGET_S = 5.0


class JournalCollector:
    """Migrates the schema and ingests journals into PostgreSQL, in the worker's main process.

    An unavailable database does not stop the worker.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database: Database | None = None
        #: Set once the database has a schema that this worker may write to.
        self._ready = asyncio.Event()
        self._closing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._backlog = JournalBacklog()

    async def open(self) -> None:
        """Migrate the database's schema now, or in the background if the database is unavailable.

        The method does nothing without DATABASE_URL. Raises DatabaseUrlInvalid if DATABASE_URL is
        not a PostgreSQL URL. Raises SchemaTooNew or MigrationChanged if this worker must not use
        the database because of its schema.
        """
        if not self._settings.database_url.get_secret_value():
            return
        self._database = await open_database(self._settings)
        try:
            await self._prepare(self._database)
        except DatabaseError as error:
            logger.warning(
                "the database is not ready, so the worker continues without it: %s",
                error,
                extra={"event": "database_not_ready"},
            )
            self._spawn(self._prepare_later(self._database), "migrate-later")
        except BaseException:
            await self._database.aclose()
            raise

    @property
    def is_away(self) -> bool:
        """True while a database is configured but cannot be written to yet."""
        return self._database is not None and not self._ready.is_set()

    @property
    def database(self) -> Database | None:
        """The database; None until this worker may write to the database."""
        return self._database if self._ready.is_set() else None

    @property
    def pool(self) -> tuple[int, int] | None:
        """Numbers of connections in use and of all open connections; None without a database."""
        use = self._database.use() if self._database is not None else None
        return (use.connections - use.idle, use.connections) if use is not None else None

    @property
    def waiting(self) -> tuple[int, float]:
        """Number of journals that wait for ingestion, and the longest wait in seconds."""
        return self._backlog.waiting

    def ship(
        self,
        job_id: str,
        *,
        exit_code: int | None,
        after: Awaitable[None] | None = None,
        then: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Ingest the journal of a job whose process has ended, as soon as possible.

        `after` is awaited first, so that another reader of the journal can finish before the file
        is moved. `then` is called with the job's id once the journal is ingested, or could not be
        ingested although the database answers. A journal that could not be ingested is tried again
        every few minutes. While the database is unavailable, the ingestion and the call of `then`
        wait.
        """
        self._backlog.hold(job_id)
        self._spawn(self._ship_after(after, job_id, exit_code, then), f"ship-{job_id}")

    def ship_leftovers(self) -> None:
        """Ingest leftover journals now, and twice a minute from now on.

        Leftover journals belong to earlier workers on this machine, or could not be ingested
        before. Journals of running jobs are skipped. Call this method before the worker has jobs.
        """
        if (database := self._database) is None:
            return
        search = JournalSearch(
            self._settings.journal_dir,
            self._backlog,
            ingest=partial(self._ship, database),
            closing=self._closing,
        )
        self._spawn(search.run(), "ship-leftovers")

    def remove_old_journals(self) -> None:
        """Remove ingested journals past their retention time: now, and once a day from now on."""
        self._spawn(self._remove_old_journals(), "old-journals")

    async def aclose(self) -> None:
        """Wait up to `_STOP_BUDGET_S` seconds for running ingestion, then close the database."""
        self._closing.set()
        if self._tasks and self._ready.is_set():
            await asyncio.wait(self._tasks, timeout=_STOP_BUDGET_S)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._database is not None:
            await self._database.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)

    async def _prepare(self, database: Database) -> None:
        # Workers that start at the same time should not open their connections at once.
        await asyncio.sleep(spread(_SPREAD_S))
        # A ping shows within seconds whether a database answers. A migration may take minutes.
        await database.ping(budget_s=_START_BUDGET_S)
        await migrate(database)
        self._ready.set()

    async def _prepare_later(self, database: Database) -> None:
        for delay_s in _RETRY.delays():
            await asyncio.sleep(delay_s)
            try:
                await self._prepare(database)
                break
            except DatabaseError as error:
                logger.warning(
                    "the database is still not ready: %s",
                    error,
                    extra={"event": "database_still_not_ready"},
                )
            except (SchemaDiffers, MigrationChanged) as error:
                logger.error(
                    "journals stay on disk, as the database cannot be used: %s",
                    error,
                    extra={"event": "database_unusable"},
                )
                return
        logger.info("the database is ready", extra={"event": "database_ready"})

    async def _remove_old_journals(self) -> None:
        keep_s = self._settings.journal_keep_days * _DAY_S
        tidy = partial(remove_older, self._settings.journal_dir / SHIPPED, keep_s)
        while not self._closing.is_set():
            try:
                removed = await in_thread("old-journals", tidy)
            except OSError as error:
                logger.warning(
                    "old journals could not be removed: %s",
                    error.strerror,
                    extra={"event": "old_journals_not_removed"},
                )
            else:
                if removed:
                    logger.info(
                        "old journals removed",
                        extra={"event": "old_journals_removed", "journals": removed},
                    )
            await pause(self._closing, _DAY_S)

    # --- the journal of a job of this worker ------------------------------------------------------

    async def _ship_after(
        self,
        after: Awaitable[None] | None,
        job_id: str,
        exit_code: int | None,
        then: Callable[[str], Awaitable[None]] | None,
    ) -> None:
        try:
            if after is not None:
                await after
        except Exception:  # any error of the reader, but no cancellation of this task
            logger.exception(
                "reading a journal failed, but the worker ingests the journal anyway",
                extra={"event": "journal_read_failed"},
            )
        try:
            await self._ship_reported(job_id, exit_code)
        except Exception:  # any error, because the redispatch must follow
            logger.exception(
                "ingesting the journal of an ended job failed",
                extra={"event": "ended_job_ingestion_failed"},
            )
            self._backlog.refused(job_id, exit_code)
        # `then` redispatches the interview, even if the journal stays on disk, because the
        # candidate must not wait for an ingestion that may never succeed. The successor misses no
        # turn, because records are ingested in the order of their numbers: if the end of a job is
        # in the database, so are its turns. If the end is not in the database, the interview is
        # found only after its lease has expired, when the leader would redispatch it anyway. Turns
        # that are ingested later are stored as late.
        if then is not None:
            await self._redispatch(job_id, then)

    async def _redispatch(self, job_id: str, then: Callable[[str], Awaitable[None]]) -> None:
        try:
            await then(job_id)
        except DatabaseError as error:
            logger.warning(
                "redispatching the interview of an ended job failed: %s",
                error,
                extra={"event": "ended_job_redispatch_failed"},
            )
        except Exception:
            logger.exception(
                "redispatching the interview of an ended job failed",
                extra={"event": "ended_job_redispatch_failed"},
            )

    async def _ship_reported(self, job_id: str, exit_code: int | None) -> None:
        age_s = None
        if self._database is not None:
            age = partial(age_of, self._path(job_id))
            age_s = await in_thread_within("journal-age", age, _AGE_WITHIN_S)
        if self._database is None or age_s is None:  # the job had its journal only in memory
            self._backlog.gone(job_id)
            return
        self._backlog.wait(job_id, age_s)
        await self._ship(self._database, job_id, exit_code)

    # --- one journal ------------------------------------------------------------------------------

    async def _ship(self, database: Database, job_id: str, exit_code: int | None) -> None:
        """Ingest a journal, and wait for the database as long as it is unavailable."""
        await self._ready.wait()
        match await attempts(database, self._path(job_id), exit_code):
            case Attempt.DONE:
                self._backlog.gone(job_id)
            case Attempt.NOT_MOVED:
                self._backlog.refused(job_id, exit_code, ingested=True)
            case Attempt.RUNNING:
                self._backlog.running(job_id, exit_code)
            case _:
                self._backlog.refused(job_id, exit_code)

    def _path(self, job_id: str) -> Path:
        return self._settings.journal_dir / f"{job_id}.jsonl"
