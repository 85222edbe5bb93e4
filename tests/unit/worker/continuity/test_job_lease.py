"""A job's lease on virtual time: a job that lost it is muted and ends, and no other job does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest

from states import Event, Outcome, Reason, State
from states.journal import read_records
from states.testing import assert_outcome
from tests.support.virtual.job_parts import JOB_ID, Rig, TinyApplication, rig, run_for_ever
from tests.support.virtual.memory_leases import LEASE_S, ROOM, SCOPE, MemoryLeases
from worker.continuity import job_lease
from worker.continuity.job_lease import INTERVIEW_ATTRIBUTE, TOKEN_ATTRIBUTE, JobLease
from worker.resources.resource import LoadFailed
from worker.store.leases import LeaseHeld, LeaseRefused

if TYPE_CHECKING:
    from pathlib import Path

    from worker.job.handle import JobHandle

pytestmark = pytest.mark.looptime
DATABASE = cast(Any, object())
#: Longest interval between two checks of the lease.
LOOK_S = LEASE_S * 2 / 3 * 1.05


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> MemoryLeases:
    memory = MemoryLeases()
    monkeypatch.setattr(job_lease, "take_lease", memory.take_lease)
    monkeypatch.setattr(job_lease, "keep_lease", memory.keep_lease)
    return memory


def lease_of_job(job_id: str = JOB_ID) -> JobLease:
    return JobLease(
        "iv-1",
        job_id=job_id,
        room=ROOM,
        identity=f"interviewer-{job_id}",
        lease_s=LEASE_S,
        scope=SCOPE,
    )


@asynccontextmanager
async def held(folder: Path, own: JobLease, database: Any = DATABASE) -> AsyncIterator[Rig]:
    """Run a job forever under its lease."""

    async def run(job: JobHandle) -> None:
        async with own.guarded(job, lambda: database):
            await run_for_ever(job)

    running = rig(folder, TinyApplication(on_run=run))
    life = asyncio.create_task(running.live())
    await running.job.life.reached(State.RUNNING)
    await asyncio.sleep(0.1)
    yield running
    running.job.life.post(Event.SHUTDOWN_REQUESTED)
    await life


async def ended(running: Rig) -> float:
    """Return the seconds until the job is closing."""
    began = asyncio.get_running_loop().time()
    await running.job.life.reached(State.CLOSING)
    return asyncio.get_running_loop().time() - began


async def test_a_live_lease_of_another_job_fails_loading_with_lease_lost(
    leases: MemoryLeases,
) -> None:
    await leases.take_lease(DATABASE, "iv-1", job_id="AJ_other")
    with pytest.raises(LoadFailed) as failed:
        await lease_of_job().take(DATABASE)
    assert failed.value.event is Event.LEASE_LOST
    assert not failed.value.transient


async def test_the_token_is_journalled_and_published_to_the_room(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    assert await own.take(DATABASE)
    async with held(tmp_path, own) as running:
        assert running.transport.shown == {INTERVIEW_ATTRIBUTE: "iv-1", TOKEN_ATTRIBUTE: "1"}
    (record,) = [each for each in read_records(running.path).records if each["kind"] == "lease"]
    assert record["token"] == 1


async def test_a_higher_token_in_the_database_mutes_and_ends_the_job(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    await own.take(DATABASE)
    async with held(tmp_path, own) as running:
        leases.token += 1
        assert await ended(running) <= LOOK_S
        assert running.transport.line.silent
    assert_outcome(running.path, Outcome.SUPERSEDED, Reason.LEASE_LOST)


@pytest.mark.parametrize("has_lease", [True, False])
async def test_a_cancelled_interview_ends_its_job_with_a_goodbye(
    leases: MemoryLeases, tmp_path: Path, *, has_lease: bool
) -> None:
    own = lease_of_job()
    if has_lease:
        await own.take(DATABASE)
    else:
        leases.away = True
    async with held(tmp_path, own) as running:
        leases.away, leases.cancelled = False, True
        leases.token += 1
        leases.job = None
        assert await ended(running) <= LOOK_S
        assert not running.transport.line.silent
    assert_outcome(running.path, Outcome.CANCELLED, Reason.CANCEL_REQUESTED)


async def test_a_job_that_begins_after_the_cancellation_gets_no_lease(
    leases: MemoryLeases,
) -> None:
    leases.cancelled = True
    own = lease_of_job()
    assert await own.take(DATABASE)
    assert own.token is None


async def test_a_job_with_a_stalled_worker_renews_its_own_lease(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    await own.take(DATABASE)
    async with held(tmp_path, own) as running:
        for _ in range(60):
            leases.now = leases.seen = leases.now + LOOK_S
            await asyncio.sleep(LOOK_S)
            assert not leases.expired
        assert running.job.life.state is State.RUNNING


async def test_a_restored_database_gets_the_token_and_all_records_again(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    leases.token = 6
    own = lease_of_job()
    await own.take(DATABASE)
    shipped_again = Mock()
    own.on_forgotten = shipped_again
    async with held(tmp_path, own) as running:
        leases.token, leases.job = 2, "AJ_yesterday"
        await asyncio.sleep(10 * LOOK_S)
        assert (leases.token, leases.job) == (7, JOB_ID)
        assert running.job.life.state is State.RUNNING
        shipped_again.assert_called_once()
        assert [fault["error"] for fault in running.history.faults] == ["DatabaseRestored"]


async def test_an_interview_deleted_while_it_runs_continues_to_its_end(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    await own.take(DATABASE)
    async with held(tmp_path, own) as running:
        leases.deleted = True
        await asyncio.sleep(600)
        assert running.job.life.state is State.RUNNING
        assert [fault["error"] for fault in running.history.faults] == ["InterviewDeleted"]


@pytest.mark.parametrize(
    ("mine", "other", "yields"),
    [
        (1, ("interviewer-AJ_a", "iv-1", "2"), True),
        (2, ("interviewer-AJ_a", "iv-1", "1"), False),
        (1, ("interviewer-AJ_a", "iv-2", "9"), False),
        (1, ("somebody", "iv-1", "many"), False),
        (1, ("somebody", "iv-1", "9" * 5000), False),
        (None, ("interviewer-AJ_a", "iv-1", "1"), True),
        # Two jobs without a database decide by their identities, so that exactly one stays.
        (None, ("interviewer-AJ_z", "iv-1", "0"), True),
        (None, ("interviewer-AJ_a", "iv-1", "0"), False),
    ],
)
async def test_a_job_yields_to_a_higher_ranked_interviewer_in_the_room(
    tmp_path: Path, mine: int | None, other: tuple[str, str, str], yields: bool
) -> None:
    own = lease_of_job()
    own.token = mine
    async with held(tmp_path, own, database=None) as running:
        identity, interview_id, token = other
        shown = {INTERVIEW_ATTRIBUTE: interview_id, TOKEN_ATTRIBUTE: token}
        running.transport.show(identity, **shown)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert running.transport.line.silent is yields
        assert (running.job.life.state is not State.RUNNING) is yields


async def test_a_job_without_database_continues_and_takes_the_lease_once_it_is_back(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    leases.away = True
    assert not await own.take(DATABASE)
    async with held(tmp_path, own) as running:
        await asyncio.sleep(60)
        assert running.job.life.state is State.RUNNING
        leases.away = False
        await asyncio.sleep(LOOK_S)
        assert own.token == leases.token == 1
        assert running.transport.shown[TOKEN_ATTRIBUTE] == "1"
        leases.away = True
        await asyncio.sleep(600)
        assert running.job.life.state is State.RUNNING


async def test_a_job_without_a_lease_yields_to_the_job_that_holds_it(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    await leases.take_lease(DATABASE, "iv-1", job_id="AJ_other")
    async with held(tmp_path, own) as running:
        assert await ended(running) <= LOOK_S
    assert_outcome(running.path, Outcome.SUPERSEDED, Reason.LEASE_LOST)
    with pytest.raises(LeaseHeld):
        await leases.take_lease(DATABASE, "iv-1", job_id=JOB_ID)


async def test_an_error_in_a_lease_guard_is_journalled_and_does_not_end_the_job(
    leases: MemoryLeases, tmp_path: Path
) -> None:
    own = lease_of_job()
    await own.take(DATABASE)

    async def refuse(_: object) -> None:
        raise RuntimeError("a message that may quote personal data")

    async with held(tmp_path, own) as running:
        running.transport.announce = refuse  # type: ignore[method-assign, assignment]
        own.token = None
        leases.job = None
        await asyncio.sleep(2 * LOOK_S)
        assert running.job.life.state is State.RUNNING
    assert {"announce"} == {fault["where"] for fault in running.history.faults}


async def test_an_interview_that_is_not_the_jobs_own_fails_loading_with_metadata_invalid(
    leases: MemoryLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def refuse(*_: object, room: str, **__: object) -> int:
        asked.append(room)
        raise LeaseRefused("the interview that the dispatch names has another room")

    monkeypatch.setattr(job_lease, "take_lease", refuse)
    with pytest.raises(LoadFailed, match="another room") as failed:
        await lease_of_job().take(DATABASE)
    assert failed.value.event is Event.METADATA_INVALID
    assert not failed.value.transient
    assert asked == [ROOM]


async def test_a_job_without_a_lease_ends_once_the_database_refuses_it_the_interview(
    leases: MemoryLeases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> int:
        raise LeaseRefused("the interview that the dispatch names has another room")

    monkeypatch.setattr(job_lease, "take_lease", refuse)
    async with held(tmp_path, lease_of_job()) as running:
        assert await ended(running) <= LEASE_S
        assert running.transport.line.silent
    assert_outcome(running.path, Outcome.SUPERSEDED, Reason.LEASE_LOST)
