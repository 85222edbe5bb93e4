"""The work of an application of one's own: what a job stores, takes over, and reads."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import Event
from tests.support.virtual.async_steps import for_ever
from tests.support.virtual.job_parts import settings_in
from worker.continuity import continued_work
from worker.continuity.continued_work import ContinuedWork
from worker.continuity.job_lease import JobLease
from worker.job.application import Dispatch
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadFailed, Resource
from worker.store.errors import DatabaseUnavailable
from worker.store.interviews import InterviewClosedToJob, InterviewExists
from worker.store.scope import PROTOCOL, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from worker.job.handle import JobHandle

pytestmark = pytest.mark.looptime

FIRST = {"interview_id": "booking-17", "candidate_identity": "visitor", "table": 4}
TURN = {"speaker": "candidate", "text": "Ada", "question_id": "name"}
FOLLOWS = {"job_id": "AJ_1", "why": "ProcessKilled", "turns": [TURN]}
SECOND = {"interview_id": "booking-17", "plan": FIRST, "follows": FOLLOWS}
#: The work as the first job stored it.
ROW = SimpleNamespace(
    is_over=False, plan=FIRST, candidate_identity="visitor", room="room-1", protocol=1
)
DATABASE = Resource(name="database", loss="", load=cast("Any", None))


class Store:
    """The functions of the store that a job calls, and the interviews in it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.stored: dict[str, Any] = {}
        self.turns: list[str] = []
        self.away: set[str] = set()
        self.leases: list[str] = []
        self.taken_by_another = False
        patch.setattr(continued_work, "get_interview", self.get)
        patch.setattr(continued_work, "create_interview", self.create)
        patch.setattr(continued_work, "turns_of", self.turns_of)
        patch.setattr(continued_work, "turn_as_data", lambda turn: {"question_id": turn.text})
        patch.setattr(JobLease, "take", self.take)

    def _answer(self, name: str) -> None:
        if name in self.away:
            raise DatabaseUnavailable(name, OSError(), "postgresql://database")

    async def get(self, _: object, interview_id: str, **__: object) -> Any:
        self._answer("get")
        return self.stored.get(interview_id)

    async def create(self, _: object, *, interview_id: str, **row: Any) -> None:
        if self.taken_by_another:
            raise InterviewExists(interview_id)
        row.pop("budget_s")
        self.stored[interview_id] = SimpleNamespace(is_over=False, **row)

    async def turns_of(self, *_: object, **__: object) -> Any:
        self._answer("turns")
        own = SimpleNamespace(job_id="AJ_2", text="own")
        return [*(SimpleNamespace(job_id="AJ_1", text=text) for text in self.turns), own]

    async def take(self, _: object) -> bool:
        self.leases.append("taken")
        return True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


def work_of(folder: Path, metadata: object, *, job_id: str = "AJ_2") -> ContinuedWork:
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    dispatch = Dispatch(job_id=job_id, room="room-1", metadata=text)
    return ContinuedWork(dispatch, settings_in(folder))


async def load(work: ContinuedWork, *, database: bool = True) -> Any:
    held = AgentResources()
    if database:
        held.hold(DATABASE, object())
    return await work.resource().load(held)


def test_the_data_of_the_work_comes_with_the_first_dispatch_and_with_each_later_one(
    tmp_path: Path,
) -> None:
    first, second = work_of(tmp_path, FIRST), work_of(tmp_path, SECOND)
    assert first.data == second.data == FIRST
    assert first.person == second.person == "visitor"
    assert first.header() == {"interview_id": "booking-17"}
    follows = {"follows_job": "AJ_1", "follows_why": "ProcessKilled"}
    assert second.header() == {"interview_id": "booking-17", **follows}
    assert (first.turns, second.turns) == ([], [TURN])


async def test_the_first_job_stores_the_work_and_takes_its_lease(
    tmp_path: Path, store: Store
) -> None:
    work = work_of(tmp_path, FIRST)
    assert await load(work) is work
    assert vars(store.stored["booking-17"]) == {
        "is_over": False,
        "plan": FIRST,
        "room": "room-1",
        "candidate_identity": "visitor",
        "scope": Scope(agent_name="interviewer", livekit="", takes_unnamed=True),
    }
    assert (store.leases, work.turns) == (["taken"], [])


async def test_a_later_job_reads_the_turns_of_the_earlier_ones_from_the_database(
    tmp_path: Path, store: Store
) -> None:
    store.stored["booking-17"] = ROW
    store.turns = ["name", "day"]
    work = work_of(tmp_path, SECOND)
    await load(work)
    assert [turn["question_id"] for turn in work.turns] == ["name", "day"]


@pytest.mark.parametrize("away", ["get", "turns", "everything"])
async def test_without_the_database_a_later_job_has_the_turns_of_its_dispatch(
    tmp_path: Path, store: Store, away: str
) -> None:
    store.stored["booking-17"] = ROW
    store.away = {away}
    work = work_of(tmp_path, SECOND)
    await load(work, database=away != "everything")
    assert work.turns == [TURN]
    assert store.leases == (["taken"] if away == "turns" else [])


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("", "is not JSON"),
        ({"candidate_identity": "visitor"}, "has no interview_id"),
        ({"interview_id": "booking-17"}, "has no candidate_identity"),
    ],
)
async def test_a_dispatch_that_names_no_work_or_no_person_ends_the_job(
    tmp_path: Path, store: Store, metadata: object, problem: str
) -> None:
    with pytest.raises(LoadFailed, match=problem) as failed:
        await load(work_of(tmp_path, metadata))
    assert failed.value.event is Event.METADATA_INVALID
    assert store.stored == {}


async def test_a_later_job_whose_dispatch_lacks_the_work_has_it_from_the_database(
    tmp_path: Path, store: Store
) -> None:
    store.stored["booking-17"] = ROW
    work = work_of(tmp_path, {"interview_id": "booking-17", "follows": FOLLOWS})
    await load(work)
    assert (work.data, work.person) == (FIRST, "visitor")
    assert store.leases == ["taken"]


async def test_a_database_that_comes_late_is_used_for_the_lease_and_for_a_handover(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_of(tmp_path, SECOND)
    await load(work, database=False)
    resources = AgentResources()
    job = cast("JobHandle", SimpleNamespace(shipper=None, session=None, resources=resources))
    asked: list[object] = []

    async def ask(_: object, __: object, database: Any) -> None:
        asked.append(database())
        resources.hold(DATABASE, database_now)
        asked.append(database())

    database_now = object()
    monkeypatch.setattr(JobLease, "_write_down", lambda *_: None)
    monkeypatch.setattr(JobLease, "_look_around", lambda *_: for_ever())
    monkeypatch.setattr(JobLease, "_ask_database", ask)
    assert work.handover is not None
    async with work.kept(job):
        await asyncio.sleep(0.1)
        assert asked == [None, database_now]
        assert cast("Any", work.handover.database) is database_now


async def test_work_that_is_over_is_not_begun_again(tmp_path: Path, store: Store) -> None:
    store.stored["booking-17"] = SimpleNamespace(is_over=True, room="room-1", protocol=1)
    with pytest.raises(LoadFailed) as failed:
        await load(work_of(tmp_path, FIRST))
    assert failed.value.event is Event.INTERVIEW_OVER
    assert store.leases == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [("room", "room-2", "another room"), ("protocol", PROTOCOL + 1, "has protocol")],
)
async def test_a_job_reads_neither_the_data_nor_the_turns_of_work_that_is_not_its_own(
    tmp_path: Path, store: Store, field: str, value: object, problem: str
) -> None:
    store.stored["booking-17"] = SimpleNamespace(**(vars(ROW) | {field: value}))
    work = work_of(tmp_path, {"interview_id": "booking-17"})
    with pytest.raises(LoadFailed, match=problem) as failed:
        await load(work)
    assert failed.value.event is Event.METADATA_INVALID
    assert (work.data, work.turns) == ({"interview_id": "booking-17"}, [])
    assert store.leases == []


@pytest.mark.parametrize("step", ["get", "create"])
async def test_work_that_the_database_does_not_open_to_the_job_is_not_its_own(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A job of another room may have created it just before."""

    async def closed(*_: object, **__: object) -> None:
        raise InterviewClosedToJob

    monkeypatch.setattr(continued_work, f"{step}_interview", closed)
    with pytest.raises(LoadFailed, match="another room") as failed:
        await load(work_of(tmp_path, FIRST))
    assert failed.value.event is Event.METADATA_INVALID
    assert store.leases == []


async def test_an_id_that_other_work_has_taken_in_the_meantime_ends_the_job(
    tmp_path: Path, store: Store
) -> None:
    store.taken_by_another = True
    with pytest.raises(LoadFailed) as failed:
        await load(work_of(tmp_path, FIRST))
    assert failed.value.event is Event.METADATA_INVALID


async def test_a_handover_waits_for_the_end_of_the_sentence_but_not_for_ever(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_of(tmp_path, FIRST)
    await load(work)
    shipper = SimpleNamespace(ship_again=lambda: None)
    speech = SimpleNamespace(wait_for_playout=for_ever)
    session = SimpleNamespace(current_speech=speech)
    job = cast("JobHandle", SimpleNamespace(shipper=shipper, session=session))
    monkeypatch.setattr(JobLease, "_write_down", lambda *_: None)
    monkeypatch.setattr(JobLease, "_look_around", lambda *_: for_ever())
    assert work.handover is not None
    async with work.kept(job):
        assert cast("Any", work.handover.shipper) is shipper
        assert work.handover.database is work._database is not None
        began = asyncio.get_running_loop().time()
        await work.handover.finish_sentence(at_once=False)
        assert asyncio.get_running_loop().time() - began == pytest.approx(4.0)
        assert not work.handover.almost_done
