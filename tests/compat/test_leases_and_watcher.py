"""Interviews that an earlier version left running, as the current watcher and leases see them.

The dump was made while a worker held one interview, and while the worker of another one had just
been killed. The database's clock has gone on since, so a test first moves every time of the
database forward, by as much as has passed since the dump, and some seconds more: on a slow machine
the lease that is live must not expire before the test has looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from states import Outcome
from tests.compat.captured import readable
from tests.support.database.lease_times import SCOPE, renew
from tests.support.database.worker_rows import Peers, other_workers
from worker.store.claims import claim_dispatches
from worker.store.interviews import InterviewStatus, list_interviews
from worker.store.leader_lock import hold_leader_lock
from worker.store.leases import LeaseHeld, keep_lease, take_lease
from worker.store.orphans import (
    LEASE_EXPIRED,
    NOT_TAKEN,
    WORTH_ANOTHER_TRY,
    Limits,
    find_orphaned,
)

if TYPE_CHECKING:
    from worker.store.connection import Connection
    from worker.store.database import Database
    from worker.store.interviews import Interview

#: Seconds of a lease: long, for a slow machine. No waiting between two tries.
LEASE_S = 30.0
LIMITS = Limits(join_s=6.0, delay_s=0.0, tries=4, scope=SCOPE)
AGENT = "interviewer"
#: Seconds that a test has.
SPARE_S = 20.0


async def _move_to_now(connection: Connection) -> None:
    columns = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'"
        " AND table_name IN ('interviews', 'leases', 'workers', 'duties', 'lease_contact')"
    )
    passed = await connection.fetchval(
        "SELECT clock_timestamp() - seen + make_interval(secs => $1) FROM lease_contact", SPARE_S
    )
    for row in columns:
        table, column = row["table_name"], row["column_name"]
        await connection.execute(f"UPDATE {table} SET {column} = {column} + $1", passed)  # noqa: S608
    # The contact is then in the future by SPARE_S.
    await connection.execute("UPDATE lease_contact SET gap_s = $1", LEASE_S)


@pytest.fixture
async def present(own_database: Database) -> Database:
    """The restored database, as if it had been dumped at this moment."""
    await own_database.run("move_to_now", _move_to_now)
    return own_database


async def _running(database: Database, *, worker_lives: bool) -> Interview:
    """The running interview of the worker that lives, or of the one that was killed."""
    workers = await database.run(
        "workers", lambda connection: connection.fetch("SELECT worker_id FROM workers")
    )
    alive = {row["worker_id"] for row in workers}
    running = await list_interviews(database, status=InterviewStatus.RUNNING)
    (found,) = (each for each in running if (each.lease_worker in alive) is worker_lives)
    return found


async def test_the_watcher_finds_exactly_the_orphaned_interviews(
    present: Database,
) -> None:
    with readable("An interview without an interviewer"):
        stranded = await find_orphaned(present, LIMITS)
    held = await _running(present, worker_lives=True)
    left = await _running(present, worker_lives=False)
    why = {found.interview.interview_id: found.why for found in stranded}
    last_job = {found.interview.interview_id: found.last_job for found in stranded}
    assert held.interview_id not in why
    assert why[left.interview_id] == LEASE_EXPIRED
    assert last_job[left.interview_id] == left.lease_job
    assert NOT_TAKEN in why.values()
    assert set(why.values()) <= {LEASE_EXPIRED, NOT_TAKEN, *WORTH_ANOTHER_TRY}


async def test_a_failed_interview_may_be_redispatched(present: Database) -> None:
    stranded = await find_orphaned(present, LIMITS)
    failed = [each for each in stranded if each.interview.outcome == Outcome.FAILED]
    assert failed
    before = failed[0].interview.token
    assert await claim_dispatches(present, [failed[0]], LIMITS) == {
        failed[0].interview.interview_id: before + 1
    }


async def test_a_live_lease_is_held_kept_and_renewed(present: Database) -> None:
    held = await _running(present, worker_lives=True)
    job_id, token = held.lease_job or "", held.token
    with pytest.raises(LeaseHeld) as refused:
        await take_lease(present, held.interview_id, job_id="AJ_new", lease_s=LEASE_S)
    assert refused.value.token == token
    holder = await keep_lease(
        present, held.interview_id, job_id=job_id, token=token, lease_s=LEASE_S
    )
    assert holder is not None
    assert (holder.token, holder.job_id) == (token, job_id)
    assert await renew(present, [job_id], lease_s=LEASE_S) == {job_id}


async def test_an_expired_lease_is_taken_by_another_job_with_a_higher_token(
    present: Database,
) -> None:
    left = await _running(present, worker_lives=False)
    token = await take_lease(present, left.interview_id, job_id="AJ_new", lease_s=LEASE_S)
    assert token == left.token + 1


async def test_the_lease_of_a_completed_interview_cannot_be_taken(
    present: Database,
) -> None:
    interviews = await list_interviews(present, status=InterviewStatus.ENDED)
    completed = next(each for each in interviews if each.outcome == Outcome.COMPLETED)
    assert await take_lease(present, completed.interview_id, job_id="x", lease_s=LEASE_S) is None


async def test_the_old_worker_counts_as_alive_and_keeps_its_leader_lock(
    present: Database,
) -> None:
    others = await other_workers(present, AGENT, besides="new", fresh_s=2 * SPARE_S)
    assert others == Peers(workers=1, seats=7)
    assert not await hold_leader_lock(present, "watch", worker_id="new", for_s=60.0)
