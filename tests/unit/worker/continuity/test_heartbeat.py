"""The heartbeat of a worker, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.virtual.async_steps import end
from tests.support.virtual.memory_leases import SCOPE
from worker.aio import backoff
from worker.continuity import heartbeat
from worker.continuity.heartbeat import Heartbeat
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.heartbeat import Beat, WorkerRow
from worker.store.leases import LeaseHeld, LeaseRefused

if TYPE_CHECKING:
    from collections.abc import Collection

pytestmark = pytest.mark.looptime

LEASE_S = 3.0
EVERY_S = 0.5


class Ledger:
    """Records the heartbeats of a worker, in place of the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        #: Loop time and row of each heartbeat.
        self.beats: list[tuple[float, WorkerRow | None]] = []
        self.contacts = 0
        self.contact_is_due = False
        self.may_lead = True
        self.held: set[str] = set()
        #: Errors that the next heartbeats and attempts to take a lease raise.
        self.errors: list[Exception | None] = []
        self.take_errors: list[Exception | None] = []
        self.takes: list[tuple[float, str, str]] = []
        monkeypatch.setattr(heartbeat, "beat", self._beat)
        monkeypatch.setattr(heartbeat, "note_contact", self._note_contact)
        monkeypatch.setattr(heartbeat, "take_lease", self._take_lease)

    async def _beat(
        self, _: object, job_ids: Collection[str], *, row: WorkerRow | None, **__: object
    ) -> Beat:
        self.beats.append((asyncio.get_running_loop().time(), row))
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        return Beat(
            held=frozenset(self.held & set(job_ids)),
            contact_is_due=self.contact_is_due,
            may_lead=self.may_lead,
        )

    async def _note_contact(self, *_: object, **__: object) -> None:
        self.contacts += 1

    async def _take_lease(
        self, _: object, interview_id: str, *, job_id: str, room: str, **__: object
    ) -> int:
        assert room == "room-1"
        self.takes.append((asyncio.get_running_loop().time(), job_id, interview_id))
        if self.take_errors and (error := self.take_errors.pop(0)) is not None:
            raise error
        self.held.add(job_id)
        return 1


@pytest.fixture(autouse=True)
def first_heartbeat_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "spread", lambda seconds: 0.0)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(monkeypatch)


def heart(jobs: Collection[str] = ("AJ_1",), **options: Any) -> Heartbeat:
    database: Any = object()

    async def living() -> Collection[str]:
        return jobs

    return Heartbeat(
        lambda: database,
        worker_id="a",
        scope=SCOPE,
        jobs=living,
        seats=lambda: 2,
        lease_s=LEASE_S,
        every_s=EVERY_S,
        **options,
    )


def unavailable() -> DatabaseUnavailable:
    return DatabaseUnavailable("renew_leases", OSError(), "postgresql://database")


async def run_for(worker: Heartbeat, seconds: float) -> None:
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(seconds)
    await end(running)


async def test_leases_are_renewed_every_half_second_and_the_row_is_written_once_a_second(
    ledger: Ledger,
) -> None:
    await run_for(heart(), 20)
    assert 36 <= len(ledger.beats) <= 45
    rows = [row for _, row in ledger.beats if row is not None]
    assert 16 <= len(rows) <= 22
    assert set(rows) == {WorkerRow(takes_jobs=True, free_slots=2)}
    # The intervals are random, so that the workers of a fleet do not stay in step.
    times = [at for at, _ in ledger.beats]
    assert len({round(b - a, 4) for a, b in itertools.pairwise(times)}) > 5


async def test_workers_that_start_together_send_their_first_heartbeats_apart(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "spread", backoff.spread)
    workers = [asyncio.create_task(heart().run()) for _ in range(20)]
    await asyncio.sleep(EVERY_S)
    first = sorted(at for at, _ in ledger.beats[:20])
    assert first[-1] - first[0] > EVERY_S / 4
    assert first[-1] <= EVERY_S
    for worker in workers:
        await end(worker)


async def test_a_worker_that_starts_to_take_jobs_sends_its_first_heartbeat_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "spread", lambda seconds: seconds)
    worker = heart()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    worker.changed()
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert [at for at, _ in ledger.beats] == pytest.approx([0.1])
    await end(running)


async def test_the_contact_is_written_only_when_it_is_due(ledger: Ledger) -> None:
    await run_for(heart(), 5)
    assert ledger.contacts == 0
    ledger.contact_is_due = True
    await run_for(heart(), 5)
    assert ledger.contacts > 5


async def test_a_change_of_the_free_slots_is_written_at_once(ledger: Ledger) -> None:
    worker = heart()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    worker.changed()
    await asyncio.sleep(0.01)
    assert [row is not None for _, row in ledger.beats] == [True, True]
    await end(running)


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_together_with_a_change_still_ends_the_heartbeat(
    ledger: Ledger, turns: int
) -> None:
    worker = heart()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.3)
    worker.changed()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=60)
    await end(running)  # end the task even if the test fails
    assert done
    assert running.cancelled()


@pytest.mark.parametrize(
    "error", [unavailable(), DatabaseOperationFailed("beat", PermissionError()), ValueError()]
)
async def test_a_failed_heartbeat_is_logged_and_reported_and_the_next_one_is_sent(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    reported: list[bool] = []
    ledger.errors = [None, error, None]
    await run_for(heart(on_renewal=reported.append), 1.3)
    assert reported == [True, False, True]
    events = [vars(record).get("event") for record in caplog.records]
    assert events == ["lease_renewal_failed"]


async def test_after_a_failed_heartbeat_the_worker_does_not_ask_for_the_leader_lock(
    ledger: Ledger,
) -> None:
    worker = heart()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    assert worker.may_lead
    ledger.errors = [unavailable()]
    await asyncio.sleep(0.6)
    assert not worker.may_lead
    await end(running)


async def test_the_lease_of_an_accepted_job_is_taken_at_once_and_only_once(ledger: Ledger) -> None:
    worker = heart()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    worker.accepted("AJ_1", "iv-1", room="room-1")
    await asyncio.sleep(10)
    assert [(job, interview) for _, job, interview in ledger.takes] == [("AJ_1", "iv-1")]
    await end(running)


async def test_an_attempt_to_take_the_lease_that_failed_is_repeated(ledger: Ledger) -> None:
    ledger.take_errors = [unavailable(), unavailable(), None]
    worker = heart()
    running = asyncio.create_task(worker.run())
    worker.accepted("AJ_1", "iv-1", room="room-1")
    await asyncio.sleep(10)
    assert len(ledger.takes) == 3
    times = [at for at, _, _ in ledger.takes]
    assert all(0.9 <= b - a <= 1.8 for a, b in itertools.pairwise(times))
    await end(running)


@pytest.mark.parametrize("error", [LeaseHeld(7), LeaseRefused("another room")])
async def test_a_lease_that_the_job_cannot_have_is_not_asked_for_again(
    ledger: Ledger, error: Exception
) -> None:
    ledger.take_errors = [error]
    worker = heart()
    running = asyncio.create_task(worker.run())
    worker.accepted("AJ_1", "iv-1", room="room-1")
    await asyncio.sleep(10)
    assert len(ledger.takes) == 1
    await end(running)


async def test_no_lease_is_taken_for_a_job_that_has_ended(ledger: Ledger) -> None:
    jobs = ["AJ_1"]
    ledger.take_errors = [unavailable()] * 100
    worker = heart(jobs)
    running = asyncio.create_task(worker.run())
    worker.accepted("AJ_1", "iv-1", room="room-1")
    await asyncio.sleep(2)
    jobs.clear()
    await asyncio.sleep(2)
    tried = len(ledger.takes)
    await asyncio.sleep(10)
    assert len(ledger.takes) == tried
    await end(running)


async def test_a_worker_takes_a_few_leases_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat uses the same connections, and must not wait for a hundred leases."""
    at_once: list[int] = []
    running: set[str] = set()

    async def take(_: object, interview_id: str, **__: object) -> int:
        running.add(interview_id)
        at_once.append(len(running))
        await asyncio.sleep(0.1)
        running.discard(interview_id)
        return 1

    monkeypatch.setattr(heartbeat, "take_lease", take)
    jobs = [f"AJ_{n}" for n in range(9)]
    worker = heart(jobs)
    for job_id in jobs:
        worker.accepted(job_id, f"iv-{job_id}", room="room-1")
    await run_for(worker, 0.4)
    assert (len(at_once), max(at_once)) == (9, 3)
