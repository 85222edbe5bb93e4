"""Database work of the main process: migrating the schema, and ingesting journals of ended jobs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from states import JournalError
from worker.aio.backoff import ExponentialBackoff
from worker.aio.threads import in_thread
from worker.config.settings import Settings
from worker.journal.recovery import SHIPPED, ingest_journal
from worker.resources.database import open_database
from worker.store.database import Database
from worker.store.errors import DatabaseError, DatabaseOperationFailed
from worker.store.migrate import MigrationChanged, SchemaDiffers, migrate

logger = logging.getLogger(__name__)

#: Maximum seconds that a starting worker waits for the database to answer.
_START_BUDGET_S = 5.0
_RETRY = ExponentialBackoff(first_s=1.0, longest_s=30.0)
_DAY_S = 86_400.0
#: Maximum number of journals of earlier workers that are listed and ingested as one batch.
_AT_A_TIME = 500
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
        self._tasks: set[asyncio.Task[None]] = set()
        #: For each journal that is not in the database yet, by job id: the monotonic time since
        #: which the journal waits.
        self._waiting: dict[str, float] = {}
        self._tidying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Migrate the database's schema now, or in the background if the database is unavailable.

        The method does nothing without DATABASE_URL. Raises DatabaseUrlInvalid if that URL is not a
        PostgreSQL URL. Raises SchemaTooNew or MigrationChanged if this worker must not use the
        database because of its schema.
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
        now = time.monotonic()
        return len(self._waiting), max((now - since for since in self._waiting.values()), default=0)

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
        is moved. `then` is called with the job's id once the journal is ingested, or cannot be
        ingested at all. While the database is unavailable, the journal and `then` wait for it.
        """
        self._spawn(self._ship_after(after, job_id, exit_code, then), f"ship-{job_id}")

    def ship_leftovers(self) -> None:
        """Ingest journals that earlier workers left on this machine. Running jobs are skipped."""
        self._spawn(self._ship_leftovers(), "ship-leftovers")

    def remove_old_journals(self) -> None:
        """Remove ingested journals past their retention time: now, and once a day from now on."""
        self._tidying = asyncio.create_task(self._remove_old_journals(), name="old-journals")

    async def aclose(self) -> None:
        """Wait up to `_STOP_BUDGET_S` seconds for running ingestion, then close the database."""
        if self._tidying is not None:
            self._tidying.cancel()
            self._tasks.add(self._tidying)
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

    async def _prepare(self, database: Database) -> None:
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
        tidy = partial(_remove_older, self._settings.journal_dir / SHIPPED, keep_s)
        while True:
            removed = await in_thread("old-journals", tidy)
            if removed:
                logger.info(
                    "old journals removed",
                    extra={"event": "old_journals_removed", "journals": removed},
                )
            await asyncio.sleep(_DAY_S)

    async def _ship_leftovers(self) -> None:
        if self._database is None:
            return
        folder = self._settings.journal_dir
        stayed: set[str] = set()
        # The journals are read in batches, because the folder may hold half a million.
        while found := await in_thread("leftovers", partial(_journals, folder, stayed)):
            for job_id in found:
                self._waits(job_id)
            for job_id in found:
                try:
                    await self._ship(job_id, None)
                except Exception:  # the other journals are waiting
                    logger.exception(
                        "ingesting a journal of an earlier worker failed",
                        extra={"event": "leftover_ingestion_failed"},
                    )
            # A journal is still in the folder if its job is running or the database refused it.
            stayed.update(each for each in found if (folder / f"{each}.jsonl").exists())

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
        except Exception:  # ingest even if the reader failed, but not if this task is cancelled
            logger.exception(
                "reading a journal failed, but the worker ingests the journal anyway",
                extra={"event": "journal_read_failed"},
            )
        try:
            await self._ship(job_id, exit_code)
        except Exception:  # an error of one journal must not leave a candidate alone
            logger.exception(
                "ingesting the journal of an ended job failed",
                extra={"event": "ended_job_ingestion_failed"},
            )
        # `then` redispatches the interview, even if the journal stays on disk, because the
        # candidate must not wait for an ingestion that can never succeed. The successor misses no
        # turn, because records are ingested in the order of their numbers: if the end of a job is
        # in the database, so are its turns. If the end is not in the database, the interview is
        # found only once its lease has expired, and the leader redispatches such an interview
        # anyway.
        if then is not None:
            try:
                await then(job_id)
            except DatabaseError as error:
                logger.warning(
                    "redispatching the interview of an ended job failed: %s",
                    error,
                    extra={"event": "ended_job_redispatch_failed"},
                )

    async def _ship(self, job_id: str, exit_code: int | None) -> None:
        path = self._settings.journal_dir / f"{job_id}.jsonl"
        stays = False
        self._waits(job_id)
        try:
            if self._database is not None and path.exists():
                stays = await self._ship_now(self._database, path, exit_code)
        finally:
            if not stays:
                self._waiting.pop(job_id, None)

    def _waits(self, job_id: str) -> None:
        """Count the job's journal as waiting for ingestion since the file was last written."""
        with contextlib.suppress(OSError):
            age_s = time.time() - (self._settings.journal_dir / f"{job_id}.jsonl").stat().st_mtime
            self._waiting.setdefault(job_id, time.monotonic() - max(0.0, age_s))

    async def _ship_now(self, database: Database, path: Path, exit_code: int | None) -> bool:
        """Ingest a journal; retry after transient errors. Return True if the file must stay."""
        await self._ready.wait()
        killed_by = -exit_code if exit_code is not None and exit_code < 0 else None
        delays = _RETRY.delays()
        while True:
            try:
                await ingest_journal(database, path, exit_code=exit_code, signal=killed_by)
            except DatabaseOperationFailed as error:
                # A retry would fail again, and other journals are waiting.
                logger.error(
                    "the database refused a journal, which stays on disk: %s",
                    error,
                    extra={"event": "journal_refused"},
                )
                return True
            except JournalError as error:
                logger.error(
                    "a journal cannot be ingested and stays on disk: %s",
                    error,
                    extra={"event": "journal_not_ingestible"},
                )
                return True
            except (DatabaseError, SchemaDiffers) as error:
                logger.warning(
                    "journal ingestion failed and will be retried: %s",
                    error,
                    extra={"event": "journal_ingestion_failed"},
                )
            except OSError as error:
                logger.error(
                    "an ingested journal could not be moved away: %s",
                    error.strerror,
                    extra={"event": "journal_not_moved"},
                )
                return False
            else:
                return False
            await asyncio.sleep(next(delays))


def _remove_older(folder: Path, age_s: float) -> int:
    """Remove journals that are older than `age_s` seconds; return the number of removed files."""
    removed, now = 0, time.time()
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(OSError):  # another worker may have removed the file
            if now - path.stat().st_mtime > age_s:
                path.unlink()
                removed += 1
    return removed


def _journals(folder: Path, but: set[str]) -> list[str]:
    """Return up to `_AT_A_TIME` ids of jobs with a journal in `folder`, but no id from `but`."""
    try:
        with os.scandir(folder) as entries:
            names = (entry.name for entry in entries if entry.name.endswith(".jsonl"))
            jobs = (name.removesuffix(".jsonl") for name in names)
            return list(itertools.islice((each for each in jobs if each not in but), _AT_A_TIME))
    except OSError:
        return []
