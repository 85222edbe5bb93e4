"""A fleet with two values of INTERVIEW_LEASE_S on a real PostgreSQL.

No worker takes a healthy interview over, and each worker follows a dead one of the other kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.database.lease_times import SCOPE, passes
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.store.heartbeat import beat, note_contact
from worker.store.interviews import create_interview
from worker.store.leases import LeaseHeld, keep_lease, take_lease
from worker.store.orphans import Limits, find_orphaned

if TYPE_CHECKING:
    from worker.store.database import Database

#: The two lease durations of the fleet, in seconds.
SHORT_S: Final = 8.0
LONG_S: Final = 80.0
EVERY_S: Final = 0.5
LIMITS: Final = Limits(join_s=60.0, delay_s=1.0, tries=3, scope=SCOPE)
#: Worker of an interview, by its name, with the length of its lease.
LENGTHS: Final = {"short": SHORT_S, "long": LONG_S}


async def heartbeat(db: Database, which: str, *, holds: bool = True) -> bool:
    """Send a heartbeat of the worker of an interview; return whether it wrote the contact."""
    found = await beat(
        db,
        [f"AJ_{which}"] if holds else [],
        worker_id=f"worker-{which}",
        scope=SCOPE,
        lease_s=LENGTHS[which],
        every_s=EVERY_S,
        row=None,
    )
    if found.contact_is_due:
        await note_contact(db, lease_s=LENGTHS[which], every_s=EVERY_S)
    return found.contact_is_due


async def time_passes(db: Database, seconds: float) -> None:
    """Move all times that leases depend on into the past."""
    await passes(db, "leases", "expires", seconds)
    for column in ("seen", "calm_since"):
        await passes(db, "lease_contact", column, seconds)


async def together(db: Database, seconds: float, *whose: str, step_s: float = EVERY_S) -> None:
    """Let time pass in which these workers send heartbeats."""
    for _ in range(round(seconds / step_s)):
        await time_passes(db, step_s)
        for which in whose:
            await heartbeat(db, which)


async def orphaned(db: Database) -> set[str]:
    """Return the interviews that the leader would give to another worker now."""
    return {each.interview.interview_id for each in await find_orphaned(db, LIMITS)}


@pytest.fixture
async def db(database: Database) -> Database:
    """Return a `Database` with an interview of each worker, which were long in contact."""
    plan = load_plan(SAMPLE_PLAN).to_json()
    for which, lease_s in LENGTHS.items():
        await create_interview(database, interview_id=which, plan=plan)
        await take_lease(
            database, which, job_id=f"AJ_{which}", lease_s=lease_s, scope=SCOPE, room=None
        )
        await heartbeat(database, which)
    await passes(database, "lease_contact", "calm_since", LONG_S)
    return database


# --- renewal and expiry ---------------------------------------------------------------------------


async def test_a_worker_with_long_leases_renews_them_with_its_own_length(db: Database) -> None:
    await together(db, 20 * EVERY_S, "long", "short")
    query = (
        "SELECT job_id, lease_s, extract(epoch FROM expires - clock_timestamp())::float8 AS left_s"
        " FROM leases"
    )
    rows = {row["job_id"]: row for row in await db.fetch("left", query)}
    for which, lease_s in LENGTHS.items():
        assert rows[f"AJ_{which}"]["lease_s"] == lease_s
        assert rows[f"AJ_{which}"]["left_s"] == pytest.approx(lease_s, abs=1.0)


async def test_no_healthy_interview_is_orphaned_while_both_workers_live(db: Database) -> None:
    for _ in range(40):
        await together(db, EVERY_S, "short", "long")
        assert await orphaned(db) == set()


async def test_the_lease_of_a_dead_worker_expires_after_its_own_length(db: Database) -> None:
    """The worker of the other interview is alive, and its contact is fine enough for both."""
    await together(db, SHORT_S / 2, "long")
    assert await orphaned(db) == set()
    await together(db, SHORT_S / 2 + 1.0, "long")
    assert await orphaned(db) == {"short"}


async def test_a_long_lease_of_a_dead_worker_expires_after_its_own_length(db: Database) -> None:
    await together(db, LONG_S * 0.6, "short", step_s=1.0)
    assert await orphaned(db) == set()
    await together(db, LONG_S * 0.5, "short", step_s=1.0)
    assert await orphaned(db) == {"long"}


async def test_a_job_keeps_its_lease_with_the_length_of_its_own_worker(db: Database) -> None:
    """The worker of the short lease is stalled, so that its job renews the lease."""
    await time_passes(db, SHORT_S * 2 / 3)
    await heartbeat(db, "long")
    await keep_lease(db, "short", job_id="AJ_short", token=1, lease_s=SHORT_S)
    await together(db, SHORT_S / 2, "long")
    assert await orphaned(db) == set()


# --- an outage of the database --------------------------------------------------------------------


@pytest.mark.parametrize("outage_s", [SHORT_S * 0.8, SHORT_S + 1.0, SHORT_S * 2, LONG_S + 1.0])
@pytest.mark.parametrize("first", ["short", "long"])
@pytest.mark.parametrize("last", ["short", "long"])
async def test_after_an_outage_no_lease_expires_before_its_worker_is_back(
    db: Database, last: str, first: str, outage_s: float
) -> None:
    """Whichever worker wrote the contact last before the outage, and first after it."""
    second = "long" if first == "short" else "short"
    await together(db, 2.0, last)
    await note_contact(db, lease_s=LENGTHS[last], every_s=EVERY_S)
    await time_passes(db, outage_s)
    assert await orphaned(db) == set()  # before any worker is back
    await heartbeat(db, first)
    assert await orphaned(db) == set()
    await together(db, SHORT_S / 2, first)  # the other one reaches the database last
    assert await orphaned(db) == set()
    await heartbeat(db, second)
    await together(db, 4.0, "short", "long")
    assert await orphaned(db) == set()


async def test_a_second_outage_right_after_the_first_is_noticed_as_well(db: Database) -> None:
    """The worker with long leases was back first, and no other worker before the next outage."""
    await time_passes(db, LONG_S / 2)
    await heartbeat(db, "long")
    await time_passes(db, LONG_S / 5)
    assert await orphaned(db) == set()
    await heartbeat(db, "long")
    assert await orphaned(db) == set()
    with pytest.raises(LeaseHeld):
        await take_lease(db, "short", job_id="AJ_other", lease_s=SHORT_S)


async def test_a_dead_worker_is_followed_after_an_outage_and_the_calm(db: Database) -> None:
    await time_passes(db, LONG_S / 2)
    await together(db, SHORT_S / 2, "long")
    assert await orphaned(db) == set()
    await together(db, SHORT_S / 2 + 2.0, "long")
    assert await orphaned(db) == {"short"}


# --- the contact ----------------------------------------------------------------------------------


async def test_the_contact_of_a_fleet_with_long_leases_alone_is_written_rarely(
    database: Database,
) -> None:
    written = 0
    for _ in range(round(LONG_S / EVERY_S)):
        await time_passes(database, EVERY_S)
        written += await heartbeat(database, "long", holds=False)
    assert 1 <= written <= 5


async def test_a_new_worker_with_short_leases_begins_no_calm_for_the_others(
    database: Database,
) -> None:
    """Otherwise a dead worker with long leases would be followed much later."""
    await heartbeat(database, "long", holds=False)
    await passes(database, "lease_contact", "calm_since", LONG_S)
    await time_passes(database, LONG_S / 8)
    await heartbeat(database, "short", holds=False)
    (row,) = await database.fetch(
        "calm", "SELECT clock_timestamp() - calm_since > interval '60 s' AS over FROM lease_contact"
    )
    assert row["over"]


async def test_the_contact_is_rare_again_once_the_short_leases_are_gone(db: Database) -> None:
    await db.fetch("gone", "UPDATE interviews SET lease_job = NULL WHERE interview_id = 'short'")
    await together(db, LONG_S / 2, "long")
    (row,) = await db.fetch("gap", "SELECT gap_s FROM lease_contact")
    assert row["gap_s"] > LONG_S / 4
