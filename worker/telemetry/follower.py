"""Reads the journals of this worker's jobs as they are written: what telemetry knows, it knows so.

A job process needs no channel to the main one, and one that was killed still counts. The folder
is never listed: only journals of jobs that this worker was given are opened, so half a million
old ones cost nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.in_thread import in_thread

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]

#: Seconds between two looks.
EVERY_S: Final = 0.5
#: Bytes of one journal that are read at one look: some hundred times what a job writes meanwhile.
_MOST_BYTES: Final = 1 << 20


@dataclass
class _Followed:
    """One journal. The descriptor stays open: a shipped journal is moved, and not lost to us."""

    path: Path
    descriptor: int | None = None
    read_to: int = 0
    #: When the file was last written or touched, in seconds since the epoch; 0 before it is there.
    alive_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class News:
    """What one look at one journal has found."""

    job_id: str
    records: tuple[Record, ...]
    #: When the job last gave a sign of life, in seconds since the epoch; 0 before its journal is.
    alive_at: float


class JournalFollower:
    """Follows the journals of running jobs.

    Args:
        folder: Where the journals are.
        on_news: Called on the event loop with what each look found, job by job.
    """

    def __init__(self, folder: Path, on_news: Callable[[News], None]) -> None:
        self._folder = folder
        self._on_news = on_news
        self._followed: dict[str, _Followed] = {}
        self._looking: asyncio.Lock = asyncio.Lock()

    def follow(self, job_id: str) -> None:
        """Read this job's journal from its beginning, from the next look on."""
        self._followed.setdefault(job_id, _Followed(self._folder / f"{job_id}.jsonl"))

    async def finish(self, job_id: str) -> None:
        """Read what is left of the journal of a job that is gone, and let go of it."""
        followed = self._followed.get(job_id)
        if followed is None:
            return
        async with self._looking:
            read_to = -1
            while read_to != followed.read_to:
                read_to = followed.read_to
                await self._look({job_id: followed})
            self._followed.pop(job_id, None)
            _close(followed)

    async def run(self) -> None:
        """Look, again and again, until cancelled. A look that fails is logged and no more."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(EVERY_S)
        finally:
            for followed in self._followed.values():
                _close(followed)
            self._followed.clear()

    async def look(self) -> None:
        """Look once, at all that is followed."""
        async with self._looking:
            await self._look(dict(self._followed))

    async def _look(self, followed: Mapping[str, _Followed]) -> None:
        if not followed:
            return
        try:
            found = await in_thread("journals", lambda: [_read(*item) for item in followed.items()])
        except Exception:
            logger.exception("the journals could not be read")
            return
        for news in found:
            try:
                self._on_news(news)
            except Exception as error:  # whatever a record holds, the others are told
                logger.error("a record could not be taken in: %s", type(error).__name__)


def _read(job_id: str, followed: _Followed) -> News:
    """Everything whole that was written since; a line that is no record is passed over."""
    if followed.descriptor is None:
        try:
            followed.descriptor = os.open(followed.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # not there yet, or never: a job whose disk is full writes none
            return News(job_id=job_id, records=(), alive_at=0.0)
    data = os.pread(followed.descriptor, _MOST_BYTES, followed.read_to)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == _MOST_BYTES:
        whole = data  # no line is that long: whatever it is, it is not read twice
    followed.read_to += len(whole)
    followed.alive_at = os.fstat(followed.descriptor).st_mtime
    records = tuple(record for line in whole.splitlines() if (record := _record(line)) is not None)
    return News(job_id=job_id, records=records, alive_at=followed.alive_at)


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        return None
    return record if isinstance(record.get("t"), int | float) else None


def _close(followed: _Followed) -> None:
    if followed.descriptor is not None:
        os.close(followed.descriptor)
        followed.descriptor = None


def age_s(alive_at: float) -> float:
    """Seconds since a sign of life, by this machine's clock; never below 0."""
    return max(0.0, time.time() - alive_at)
