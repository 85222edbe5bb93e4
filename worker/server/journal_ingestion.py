"""Repeated attempts to ingest one journal, until it is ingested or refused."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from pathlib import Path
from typing import Final

from states import JournalError
from worker.aio.backoff import ExponentialBackoff
from worker.journal.recovery import Ingestion, ingest_journal
from worker.store.database import Database
from worker.store.errors import DatabaseError, DatabaseOperationFailed
from worker.store.schema import SchemaDiffers

logger = logging.getLogger(__name__)

#: Delays between two attempts while the database fails.
_RETRY: Final = ExponentialBackoff(first_s=1.0, longest_s=30.0)
#: Number of attempts that may fail although the database answers. After that the journal itself
#: counts as the cause, and must not delay other journals or a redispatch.
_TRIES: Final = 3
#: Maximum seconds to wait for the database's answer to a ping. If the database answers, the failed
#: attempt is counted (`_TRIES`).
_PING_BUDGET_S: Final = 2.0


class Attempt(Enum):
    """Result of one attempt to ingest a journal."""

    #: The journal is in the database, or does not exist.
    DONE = auto()
    #: The journal is in the database, but could not be moved away.
    NOT_MOVED = auto()
    #: Another process writes the journal.
    RUNNING = auto()
    #: The database failed, and another attempt may succeed soon.
    FAILED = auto()
    #: This worker's version does not fit the database's schema.
    UNUSABLE = auto()
    #: Another attempt would fail in the same way.
    REFUSED = auto()


async def attempts(database: Database, path: Path, exit_code: int | None) -> Attempt:
    """Try until the journal is ingested or refused, or has caused `_TRIES` failures.

    While the database is unavailable, the number of attempts is not limited.
    """
    answers, blamed = False, 0
    for delay_s in _RETRY.delays():
        attempt = await _attempt(database, path, exit_code)
        if attempt not in (Attempt.FAILED, Attempt.UNUSABLE):
            break
        blamed += answers and attempt is Attempt.FAILED
        if blamed == _TRIES:
            logger.error(
                "a journal could not be ingested although the database answers",
                extra={"event": "journal_ingestion_given_up", "job_id": path.stem},
            )
            break
        await asyncio.sleep(delay_s)
        answers = await _answers(database)
    return attempt


async def _attempt(database: Database, path: Path, exit_code: int | None) -> Attempt:
    killed_by = -exit_code if exit_code is not None and exit_code < 0 else None
    try:
        result = await ingest_journal(database, path, exit_code=exit_code, signal=killed_by)
    except DatabaseOperationFailed as error:
        logger.error(
            "the database refused a journal, which stays on disk and is tried again later: %s",
            error,
            extra={"event": "journal_refused"},
        )
        return Attempt.REFUSED
    except JournalError as error:
        logger.error(
            "a journal cannot be ingested, stays on disk and is tried again later: %s",
            error,
            extra={"event": "journal_not_ingestible"},
        )
        return Attempt.REFUSED
    except (DatabaseError, SchemaDiffers) as error:
        logger.warning(
            "journal ingestion failed and will be retried: %s",
            error,
            extra={"event": "journal_ingestion_failed"},
        )
        return Attempt.FAILED if isinstance(error, DatabaseError) else Attempt.UNUSABLE
    except OSError as error:
        logger.error(
            "an ingested journal could not be moved away: %s",
            error.strerror,
            extra={"event": "journal_not_moved"},
        )
        return Attempt.NOT_MOVED
    return Attempt.RUNNING if result is Ingestion.RUNNING else Attempt.DONE


async def _answers(database: Database) -> bool:
    """Return whether the database answers now."""
    try:
        await database.ping(budget_s=_PING_BUDGET_S)
    except DatabaseError:
        return False
    return True
