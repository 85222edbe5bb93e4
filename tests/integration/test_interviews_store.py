from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from states.testing import assert_dialogue
from tests.support.database.job_records import JobRecords, header
from worker.interview.plan.plan import SAMPLE_PLAN, Plan, load_plan
from worker.operations.interviews import interview_as_data
from worker.store.interview_status import set_dispatched
from worker.store.interview_turns import typed_turns
from worker.store.interviews import (
    Interview,
    InterviewExists,
    InterviewIdInvalid,
    InterviewStatus,
    create_interview,
    get_interview,
    list_interviews,
    remove_untaken_interview,
)
from worker.store.jobs import ship

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


async def test_interviews_are_listed_by_candidate_and_by_time(database: Database) -> None:
    await create(database, "one", candidate_name="Ada Lovelace")
    await create(database, "two", candidate_name="Zoë 100%")
    await create(database, "three")
    created = (await found(database, "two")).created_at
    moment = timedelta(microseconds=1)

    async def listed(**filters: Any) -> list[str]:
        return [each.interview_id for each in await list_interviews(database, **filters)]

    assert await listed(candidate="love") == ["one"]
    assert await listed(candidate="%") == ["two"]
    assert await listed(candidate="candidate-three") == ["three"]
    assert await listed(candidate="candidate") == []
    assert await listed(since=created) == ["three", "two"]
    assert await listed(until=created) == ["one"]
    assert await listed(since=created, until=created + moment) == ["two"]
    assert await listed(since=created + moment, candidate="ada") == []
    assert await listed(status=InterviewStatus.CREATED, until=created + moment) == ["two", "one"]


async def test_only_an_interview_that_nobody_has_taken_is_removed(database: Database) -> None:
    await create(database)
    await create(database, "two")
    await set_dispatched(database, "two", dispatch_id="D2")
    assert await remove_untaken_interview(database, "one")
    assert await remove_untaken_interview(database, "one")
    assert not await remove_untaken_interview(database, "two")
    assert [each.interview_id for each in await list_interviews(database)] == ["two"]


async def test_a_typed_answer_is_told_apart_from_a_spoken_one(database: Database) -> None:
    await create(database, "iv-1")
    job = JobRecords()
    about = {"question_id": "first", "role": None, "generated": "", "heard": ""}
    answers: tuple[dict[str, Any], ...] = (
        {"latency": {}, "hearing": None, "interrupted": False},
        {"latency": {}, "hearing": 7, "interrupted": False},
        {"latency": {"end_of_turn": 0.5}, "hearing": None, "interrupted": False},
        {"latency": {}, "hearing": None, "interrupted": True},
    )
    for answer in answers:
        job.add("turn", speaker="candidate", text="Yes.", **about, **answer)
    told: dict[str, Any] = {"latency": {}, "hearing": None, "interrupted": False}
    for typed in (True, False):
        job.add("turn", speaker="candidate", text="Yes.", typed=typed, **about, **told)
    seqs = [record["seq"] for record in job.records if record["kind"] == "turn"]
    await ship(database, header("AJ_1", "iv-1"), job.records)
    # The first is from a version that recorded no `typed`.
    assert await typed_turns(database, "iv-1") == {("AJ_1", seqs[0]), ("AJ_1", seqs[4])}


async def test_the_dialogue_records_of_all_jobs_are_shown_in_their_order(
    database: Database,
) -> None:
    await create(database, "iv-1")
    places = (("AJ_2", 1, ("GREETING", "ASKING:q1")), ("AJ_1", 2, ("ASKING:q1", "LISTENING:q1")))
    for job_id, token, to in places:
        job = JobRecords()
        job.transition("RUNNING")
        for number, place in enumerate(to):
            event = {"format": 1, "number": number, "input": "event", "name": "resumed"}
            job.add("dialogue", **event, phase="ARRIVING", to=place, token=token)
        await ship(database, header(job_id, "iv-1", token=token), job.records)
    shown = await interview_as_data(database, "iv-1")
    assert [each["job_id"] for each in shown["dialogue"]] == ["AJ_2", "AJ_2", "AJ_1", "AJ_1"]
    assert [each["kind"] for each in shown["dialogue"]] == ["event"] * 4
    assert_dialogue(shown, "ARRIVING", "GREETING", "ASKING:q1", "LISTENING:q1")
