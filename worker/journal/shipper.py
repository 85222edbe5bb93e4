"""Ingestion of a running job's journal into PostgreSQL, keyed by (job, seq).

A job that has a database ingests its own records while the job runs. Once the job has ended, its
worker ingests the remaining records (worker/journal/recovery.py). Ingesting a record twice has no
effect, so the job and the worker need not know which records the other has ingested. While the
database is unavailable, the journal keeps all records, and the job's condition `database` is LOST.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from functools import partial
from typing import Any, Final

from states import (
    Condition,
    Event,
    Lifecycle,
    MemoryJournal,
    Status,
)
from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import log_failure
from worker.journal.refusals import Stored, is_refused, shown, store_all_but_refused
from worker.store.database import Database
from worker.store.jobs import JobHeader, ship
from worker.store.schema import SchemaTooNew

logger = logging.getLogger(__name__)

#: Seconds for which an ingestion waits for further records, because records come in bursts, such as
#: a transition and its conditions.
_BATCH_S = 0.1
_RETRY = ExponentialBackoff(first_s=0.5, longest_s=5.0)
#: Number of attempts with a batch that the database refuses, before its records are tried in parts.
_TRIES: Final = 3
#: Maximum number of records in one transaction. Even after a long database outage, a transaction
#: must take no longer than the time budget of one operation (`database.BUDGET_S`).
BATCH = 500

_shippers: set[asyncio.Task[None]] = set()


def ship_live(life: Lifecycle, database: Database) -> JournalShipper:
    """Ingest all records of a job, each soon after it is written, until the event loop ends.

    If the database is unavailable, ingestion begins once the database is available. The events
    RESOURCE_LOST and RESOURCE_RECOVERED report the database's state to the lifecycle.
    """
    shipper = JournalShipper(life, database)
    task = asyncio.create_task(shipper.run(), name="shipper")
    _shippers.add(task)
    task.add_done_callback(_shippers.discard)
    task.add_done_callback(log_failure)
    return shipper


async def stop_shipping() -> None:
    """Stop ingestion. The worker later ingests the remaining records from the journal."""
    for task in tuple(_shippers):
        task.cancel()
    if _shippers:
        await asyncio.wait(tuple(_shippers))


class JournalShipper:
    """Ingests the records of one running job in order, and repeats failed attempts."""

    def __init__(self, life: Lifecycle, database: Database) -> None:
        journal = life.journal
        assert isinstance(journal, MemoryJournal)  # noqa: S101  # the base of all our journals
        self._life = life
        self._journal = journal
        self._database = database
        job_id = str(journal.records[0]["job_id"])
        self._header = JobHeader(job_id=job_id).with_records(journal.records)
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for record in journal.records:
            self._waiting.put_nowait(record)
        journal.subscribe(self._waiting.put_nowait)
        #: Sequence number of the last record that the database has.
        self._shipped = -1
        #: Numbers of the records that the database refused.
        self._refused: set[int] = set()
        #: For each caller that waits for the ingestion of a record: the record's sequence number,
        #: and the future that ends the wait.
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []
        self._hurried = asyncio.Event()
        self._away = False

    async def run(self) -> None:
        """Ingest records until cancelled, or until the schema is too new for this worker.

        A record that the database refuses for good is left out after `_TRIES` attempts. The refused
        record stays in the journal, and the worker tries to store it again when the job has ended.
        """
        delays = _RETRY.delays()
        batch: list[dict[str, Any]] = []
        refusals = 0
        while True:
            if not batch:
                batch.append(await self._waiting.get())
            await self._gather()
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                await self._store(batch, apart=refusals >= _TRIES)
            except Exception as error:  # a failed ingestion must not stop the interview
                refusals += is_refused(error)
                logger.warning(
                    "journal ingestion failed, so records stay in the journal: %s",
                    shown(error),
                    extra={"event": "live_ingestion_failed"},
                )
                self._away = True
                self._release(math.inf)
                self._report(Status.LOST, type(error).__name__)
                if isinstance(error, SchemaTooNew):
                    return
                await asyncio.sleep(next(delays))
            else:
                self._away = False
                self._shipped = max(self._shipped, int(batch[-1]["seq"]))
                self._release(self._shipped)
                self._report(Status.READY, "Shipping")
                batch, delays, refusals = [], _RETRY.delays(), 0

    async def _store(self, batch: list[dict[str, Any]], *, apart: bool) -> None:
        """Store a batch. With `apart`, leave out the records that the database refuses."""
        store = partial(ship, self._database, self._header)
        if apart:
            stored = await store_all_but_refused(store, batch)
        else:
            stored = Stored.of(await store(batch), batch)
        self._refused -= {int(record["seq"]) for record in batch}
        for each in stored.refused:
            self._refused.add(int(each.record["seq"]))
            logger.error(
                "the database refused a record of a running job, which stays in the journal: %s",
                each.problem,
                extra={
                    "event": "journal_record_refused",
                    "job_id": self._header.job_id,
                    "seq": each.seq,
                    "kind": each.record["kind"],
                },
            )

    def ship_again(self) -> None:
        """Ingest every record again, because the database has lost some of them."""
        for record in self._journal.records:
            self._waiting.put_nowait(record)

    async def acknowledged(self, seq: int, *, within_s: float) -> bool:
        """Return True once the database has the record `seq`, or False after `within_s` seconds.

        Returns immediately while the database is known to be unavailable.
        """
        if self._shipped < seq and not self._away:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._awaited.append((seq, answer))
            self._hurried.set()
            await asyncio.wait({answer}, timeout=within_s)
        return self._shipped >= seq and seq not in self._refused

    async def all_shipped(self, *, within_s: float) -> bool:
        """Return True once the database has all records except those that it refuses.

        Return False after `within_s` seconds.
        """
        last = self._journal.records[-1]
        return await self.acknowledged(int(last["seq"]), within_s=within_s)

    async def _gather(self) -> None:
        """Wait briefly for further records, unless a caller waits for a record's ingestion."""
        if not self._awaited:
            self._hurried.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BATCH_S):  # `wait_for` may drop a cancellation
                    await self._hurried.wait()

    def _release(self, seq: float) -> None:
        for waited_for, answer in self._awaited:
            if waited_for <= seq and not answer.done():
                answer.set_result(None)
        self._awaited = [each for each in self._awaited if not each[1].done()]

    def _report(self, status: Status, reason: str) -> None:
        conditions = self._life.conditions
        known = conditions["database"].status if "database" in conditions else Status.READY
        if status is known:
            return
        event = Event.RESOURCE_RECOVERED if status is Status.READY else Event.RESOURCE_LOST
        self._life.post(event, Condition(resource="database", status=status, reason=reason))
