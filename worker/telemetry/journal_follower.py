"""Tail the journals of this worker's jobs, which are the only source of job telemetry.

As the journals are on disk, a job process needs no channel to the main process, and the records of
a killed job are still counted. The follower opens only the journals of jobs that this worker was
given, and never lists the folder of the journals, so half a million old journals cost nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from states.journal import MOST_S
from worker.aio.threads import in_thread

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]

#: Seconds between two polls of the journals.
EVERY_S: Final = 0.5
#: Maximum number of bytes read from one journal per poll. Between two polls a job writes about a
#: hundredth of this number.
_MOST_BYTES: Final = 1 << 20
#: Maximum seconds to wait for the last records of an ended job. The ingestion of its journal and
#: the redispatch of its interview wait for the follower, and must not wait for a disk that hangs.
FINISH_WITHIN_S: Final = 2.0


@dataclass
class _Followed:
    """One followed journal.

    The file descriptor of the journal stays valid when the journal file is moved after ingestion.
    """

    path: Path
    descriptor: int | None = None
    read_to: int = 0
    #: Time when the journal was last written or touched, in seconds since the epoch. 0 before the
    #: journal exists.
    alive_at: float = 0.0
    #: Held while a thread reads the journal.
    reading: threading.Lock = field(default_factory=threading.Lock)
    #: True if the last poll could not read the journal, which is logged once.
    unreadable: bool = False
    #: True once the journal is no longer followed.
    over: bool = False


@dataclass(frozen=True, kw_only=True)
class News:
    """The new records that one poll found in the journal of one job."""

    job_id: str
    records: tuple[Record, ...]
    #: Time of the job's last heartbeat in seconds since the epoch; 0 before its journal exists.
    alive_at: float


class JournalFollower:
    """Follows the journals of running jobs.

    Args:
        folder: The folder of the journals.
        on_news: Called on the event loop after each poll, once per job, with the new records.
    """

    def __init__(self, folder: Path, on_news: Callable[[News], None]) -> None:
        self._folder = folder
        self._on_news = on_news
        self._followed: dict[str, _Followed] = {}
        self._looking: asyncio.Lock = asyncio.Lock()

    def follow(self, job_id: str) -> None:
        """Read this job's journal from its beginning, starting with the next poll."""
        self._followed.setdefault(job_id, _Followed(self._folder / f"{job_id}.jsonl"))

    async def finish(self, job_id: str) -> None:
        """Read the unread records of an ended job's journal, then close the journal.

        The method returns after at most `FINISH_WITHIN_S` seconds. If the disk hangs, the unread
        records are not processed.
        """
        followed = self._followed.get(job_id)
        if followed is None:
            return
        try:
            async with asyncio.timeout(FINISH_WITHIN_S), self._looking:
                read_to = -1
                while read_to != followed.read_to:
                    read_to = followed.read_to
                    await self._look({job_id: followed})
        except TimeoutError:
            logger.error(
                "the last records of an ended job could not be read in time",
                extra={"event": "journal_end_not_read", "job_id": job_id},
            )
        finally:
            self._followed.pop(job_id, None)
            _close(followed)

    async def run(self) -> None:
        """Poll the journals until cancelled. A failed poll is only logged."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(EVERY_S)
        finally:
            for followed in self._followed.values():
                _close(followed)
            self._followed.clear()

    async def look(self) -> None:
        """Poll all followed journals once."""
        async with self._looking:
            await self._look(dict(self._followed))

    async def _look(self, followed: Mapping[str, _Followed]) -> None:
        if not followed:
            return
        try:
            found = await in_thread("journals", lambda: _read_all(followed))
        except Exception:
            logger.exception(
                "the journals of the running jobs could not be read",
                extra={"event": "journals_unreadable"},
            )
            return
        for news in found:
            try:
                self._on_news(news)
            except Exception as error:  # one bad record must not affect the other jobs
                logger.error(
                    "the new records of a job could not be processed: %s",
                    type(error).__name__,
                    extra={"event": "journal_records_not_processed"},
                )


def _read_all(followed: Mapping[str, _Followed]) -> list[News]:
    news: list[News] = []
    for job_id, each in followed.items():
        try:
            with each.reading:
                if not each.over:
                    news.append(_read(job_id, each))
            each.unreadable = False
        except Exception:  # one unreadable journal must not hide the other jobs
            if not each.unreadable:
                logger.exception(
                    "the journal of a running job could not be read",
                    extra={"event": "journal_unreadable", "job_id": job_id},
                )
            each.unreadable = True
        if each.over:
            _close(each)
    return news


def _read(job_id: str, followed: _Followed) -> News:
    """Read the complete lines written since the last poll; skip lines that are not records."""
    if followed.descriptor is None:
        try:
            # O_NONBLOCK, because to open a FIFO would wait.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            followed.descriptor = os.open(followed.path, flags)
        except OSError:  # the journal does not exist yet; on a full disk it never will
            return News(job_id=job_id, records=(), alive_at=0.0)
    data = os.pread(followed.descriptor, _MOST_BYTES, followed.read_to)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == _MOST_BYTES:
        whole = data  # no record is as long as the data that was read, so skip the data
    followed.read_to += len(whole)
    followed.alive_at = os.fstat(followed.descriptor).st_mtime
    records = tuple(record for line in whole.splitlines() if (record := _record(line)) is not None)
    return News(job_id=job_id, records=records, alive_at=followed.alive_at)


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # a line of thousands of nested brackets
        return None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        return None
    t = record.get("t")
    # Skip a record with an infinite time, as `states.journal.read_records` does: the time would
    # stay in a metric for ever.
    is_time = isinstance(t, int | float) and not isinstance(t, bool) and -MOST_S < t < MOST_S
    return record if is_time else None


def _close(followed: _Followed) -> None:
    """Close the journal now, or let the thread that is reading the journal close it."""
    followed.over = True
    if followed.reading.acquire(blocking=False):
        try:
            if followed.descriptor is not None:
                os.close(followed.descriptor)
                followed.descriptor = None
        finally:
            followed.reading.release()


def age_s(alive_at: float) -> float:
    """Return the seconds since a heartbeat at `alive_at`; 0 if `alive_at` is in the future."""
    return max(0.0, time.time() - alive_at)
