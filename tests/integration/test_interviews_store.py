from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from worker.interview.plan.plan import SAMPLE_PLAN, Plan, load_plan
from worker.store.interview_status import set_dispatched
from worker.store.interviews import (
    Interview,
    InterviewExists,
    InterviewIdInvalid,
    InterviewStatus,
    create_interview,
    get_interview,
    list_interviews,
)

if TYPE_CHECKING:
    from worker.store.database import Database

SAMPLE = load_plan(SAMPLE_PLAN)


async def create(db: Database, interview_id: str = "one", **fields: Any) -> Interview:
    return await create_interview(db, interview_id=interview_id, plan=SAMPLE.to_json(), **fields)


async def found(db: Database, interview_id: str = "one") -> Interview:
    interview = await get_interview(db, interview_id)
    assert interview is not None
    return interview


async def test_a_new_interview_has_its_plan_and_its_own_room_and_candidate(
    database: Database,
) -> None:
    created = await create(database, candidate_name="Zoë")
    assert await found(database) == created
    assert Plan.from_json(created.plan) == SAMPLE
    assert (created.room, created.candidate_identity) == ("interview-one", "candidate-one")
    assert (created.status, created.outcome, created.token) == (InterviewStatus.CREATED, None, 0)
    assert not created.is_over


async def test_creating_the_same_interview_twice_is_one_interview(database: Database) -> None:
    created = await create(database)
    await set_dispatched(database, "one", dispatch_id="D1")
    again = await create(database)
    assert (again.created_at, again.status) == (created.created_at, InterviewStatus.DISPATCHED)


async def test_a_different_interview_with_the_same_id_is_refused(database: Database) -> None:
    await create(database)
    with pytest.raises(InterviewExists):
        await create(database, room="elsewhere")


@pytest.mark.parametrize("interview_id", ["", "a b", "../x", "é", "x" * 101, "a\0", "-a", "a\n"])
async def test_an_invalid_id_is_refused_and_not_found(
    database: Database, interview_id: str
) -> None:
    with pytest.raises(InterviewIdInvalid):
        await create(database, interview_id)
    assert await get_interview(database, interview_id) is None


async def test_an_unknown_interview_is_not_found_and_cannot_be_changed(database: Database) -> None:
    assert await get_interview(database, "none") is None
    assert not await set_dispatched(database, "none", dispatch_id="D1")


async def test_interviews_are_listed_newest_first_all_or_by_status(database: Database) -> None:
    for name in ("one", "two", "three"):
        await create(database, name)
    await set_dispatched(database, "two", dispatch_id="D2")
    ids = [interview.interview_id for interview in await list_interviews(database)]
    assert ids == ["three", "two", "one"]
    dispatched = await list_interviews(database, status=InterviewStatus.DISPATCHED)
    assert [interview.interview_id for interview in dispatched] == ["two"]
    assert len(await list_interviews(database, limit=2)) == 2
