"""The orchestrator's two phases, and its interface as livekit's language model."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents import llm

from states import Event
from tests.support.virtual.interview_parts import LONG, START, plan_of, question
from worker.interview.orchestrator import CommittedTurn, Role
from worker.interview.orchestrator_llm import OrchestratorLLM, OrchestratorNotReady
from worker.resources.resource import LoadFailed
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.interviews import InterviewClosedToJob
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.database import Database

SNAPSHOT = plan_of().to_json()
UNAVAILABLE = DatabaseUnavailable("get_interview", OSError(), "postgresql://…")
REFUSED = DatabaseOperationFailed("get_interview", ValueError())


class FakeDatabase:
    """Results or errors of the store's queries."""

    def __init__(self) -> None:
        self.interview: Any = SimpleNamespace(
            is_over=False,
            plan=plan_of(question(7)).to_json(),
            candidate_identity="candidate-ada",
            room="room-1",
            protocol=1,
        )
        self.turns: list[Any] = []
        self.error: Exception | None = None
        self.asked = 0

    async def get_interview(self, _: object, interview_id: str, *, writable: bool) -> Any:
        assert writable  # an old row would let the interviewer ask a question twice
        assert interview_id == "iv-1"
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.interview

    async def turns_and_dialogue_of(self, _: object, interview_id: str) -> Any:
        return self.turns, []


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    fake = FakeDatabase()
    for name in ("get_interview", "turns_and_dialogue_of"):
        monkeypatch.setattr(f"worker.interview.interview_loading.{name}", getattr(fake, name))
    return fake


DB = cast("Database", object())


def turn(**fields: Any) -> Any:
    return SimpleNamespace(
        **{
            "job_id": "AJ_1",
            "seq": 0,
            "speaker": "interviewer",
            "text": "",
            "at": START,
            "question_id": "q7",
            "role": None,
            "generated": None,
            "interrupted": False,
            "late": False,
            **fields,
        }
    )


@pytest.mark.row("S2")
async def test_construction_reads_nothing_and_has_no_plan(store: FakeDatabase) -> None:
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    assert store.asked == 0
    assert orchestrator.turns == ()
    for use in (
        lambda: orchestrator.plan,
        orchestrator.next_move,
        orchestrator.open_question,
        lambda: orchestrator.chat(chat_ctx=llm.ChatContext()),
    ):
        with pytest.raises(OrchestratorNotReady, match="init"):
            use()


@pytest.mark.row("S2")
async def test_init_reads_the_plan_and_the_candidate_from_the_database(store: FakeDatabase) -> None:
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await orchestrator.init(DB)
    assert orchestrator.plan == plan_of(question(7))
    assert orchestrator.candidate_identity == "candidate-ada"


@pytest.mark.row("B5")
async def test_init_continues_where_the_stored_turns_end(store: FakeDatabase) -> None:
    store.interview.plan = plan_of(question(7), question(8)).to_json()
    store.turns = [
        turn(text="Hello. What?", generated="Hello. What?", role="opening"),
        turn(speaker="candidate", text=LONG),
    ]
    orchestrator = OrchestratorLLM("iv-1")
    await orchestrator.init(DB)
    assert orchestrator.next_move().question_id == "q8"


async def test_without_a_database_the_plan_comes_from_the_dispatch(store: FakeDatabase) -> None:
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await orchestrator.init(None)
    assert orchestrator.plan == plan_of()
    assert orchestrator.candidate_identity == "candidate-iv-1"


async def test_if_the_database_is_unavailable_the_plan_comes_from_the_dispatch(
    store: FakeDatabase,
) -> None:
    store.error = UNAVAILABLE
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await orchestrator.init(DB)
    assert orchestrator.plan == plan_of()


@pytest.mark.row("B5")
async def test_without_a_database_the_dispatched_turns_are_continued() -> None:
    whole = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await whole.init(None)
    first = whole.next_move()
    asked = CommittedTurn(
        speaker="interviewer",
        text=first.text,
        generated=first.text,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        question_id=first.question_id,
        role=first.role,
    )
    answered = CommittedTurn(
        speaker="candidate", text="I build bridges.", at=asked.at, question_id=first.question_id
    )
    successor = OrchestratorLLM("iv-1", snapshot=SNAPSHOT, turns=[asked, answered])
    await successor.init(None)
    whole.commit(asked)
    whole.commit(answered)
    assert successor.next_move() == whole.next_move() != first


@pytest.mark.row("S2")
@pytest.mark.parametrize("db", [None, DB], ids=["none", "unavailable"])
async def test_without_database_and_snapshot_init_fails_and_can_be_retried(
    store: FakeDatabase, db: Database | None
) -> None:
    store.error = UNAVAILABLE
    orchestrator = OrchestratorLLM("iv-1")
    with pytest.raises(LoadFailed) as failed:
        await orchestrator.init(db)
    assert failed.value.reason == "PlanUnavailable"
    assert failed.value.transient
    assert failed.value.event is None, "the event of the resource"

    store.error = None
    await orchestrator.init(DB)
    assert orchestrator.next_move().role is Role.OPENING


@pytest.mark.row("S8")
async def test_an_unknown_interview_is_a_permanent_failure(store: FakeDatabase) -> None:
    store.interview = None
    with pytest.raises(LoadFailed) as failed:
        await OrchestratorLLM("iv-1", snapshot=SNAPSHOT).init(DB)
    assert failed.value.event is Event.INTERVIEW_UNKNOWN
    assert not failed.value.transient


async def test_an_interview_that_is_over_is_a_permanent_failure(store: FakeDatabase) -> None:
    store.interview.is_over = True
    with pytest.raises(LoadFailed) as failed:
        await OrchestratorLLM("iv-1").init(DB)
    assert failed.value.event is Event.INTERVIEW_OVER
    assert not failed.value.transient


@pytest.mark.parametrize(
    ("room", "protocol", "problem"),
    [("room-2", 1, "another room"), ("room-1", PROTOCOL + 1, "has protocol")],
)
async def test_a_job_gets_neither_plan_nor_turns_of_an_interview_that_is_not_its_own(
    store: FakeDatabase, room: str, protocol: int, problem: str
) -> None:
    store.interview.protocol = protocol
    orchestrator = OrchestratorLLM("iv-1", room=room, snapshot=SNAPSHOT)
    with pytest.raises(LoadFailed, match=problem) as failed:
        await orchestrator.init(DB)
    assert failed.value.event is Event.METADATA_INVALID
    assert not failed.value.transient
    assert orchestrator.turns == ()
    with pytest.raises(OrchestratorNotReady):
        _ = orchestrator.plan


async def test_an_interview_that_the_database_does_not_open_to_the_job_is_not_its_own(
    store: FakeDatabase,
) -> None:
    store.error = InterviewClosedToJob()
    with pytest.raises(LoadFailed, match="another room") as failed:
        await OrchestratorLLM("iv-1", room="room-2", snapshot=SNAPSHOT).init(DB)
    assert failed.value.event is Event.METADATA_INVALID


@pytest.mark.row("S2")
async def test_a_refused_query_is_a_permanent_failure(store: FakeDatabase) -> None:
    store.error = REFUSED
    with pytest.raises(LoadFailed) as failed:
        await OrchestratorLLM("iv-1").init(DB)
    assert failed.value.reason == "DatabaseRefused"
    assert not failed.value.transient


async def test_if_the_database_refuses_the_query_the_plan_comes_from_the_dispatch(
    store: FakeDatabase,
) -> None:
    store.error = REFUSED
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await orchestrator.init(DB)
    assert orchestrator.next_move().text


async def test_an_invalid_plan_is_refused_without_quoting_it(store: FakeDatabase) -> None:
    with pytest.raises(LoadFailed) as failed:
        await OrchestratorLLM("iv-1", snapshot={"title": "Ada's secret plan"}).init(None)
    assert failed.value.reason == "PlanInvalid"
    assert "Ada" not in str(failed.value)
    assert not failed.value.transient


async def words_of(orchestrator: OrchestratorLLM) -> str:
    async with orchestrator.chat(chat_ctx=llm.ChatContext()) as stream:
        return "".join([chunk.delta.content or "" async for chunk in stream if chunk.delta])


async def test_two_calls_return_the_same_words_and_do_not_advance_the_plan(
    store: FakeDatabase,
) -> None:
    """livekit may call the model up to three times for one turn."""
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await orchestrator.init(None)
    first = await words_of(orchestrator)
    assert first == orchestrator.next_move().text
    assert await words_of(orchestrator) == first
    assert orchestrator.turns == ()


async def test_only_a_committed_turn_advances_the_plan(store: FakeDatabase) -> None:
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT)
    await orchestrator.init(None)
    move = orchestrator.next_move()
    for said in (
        CommittedTurn(
            speaker="interviewer",
            text=move.text,
            at=START,
            question_id=move.question_id,
            role=move.role,
            generated=move.text,
        ),
        CommittedTurn(speaker="candidate", text=LONG, at=START),
    ):
        orchestrator.commit(said)
    assert await words_of(orchestrator) == plan_of().questions[1].text
    assert orchestrator.open_question().id == "q0"


async def test_a_dialogue_record_has_the_token_that_the_lease_has_by_then(
    store: FakeDatabase,
) -> None:
    token: list[int | None] = [None]
    orchestrator = OrchestratorLLM("iv-1", snapshot=SNAPSHOT, token=lambda: token[0])
    for database in (None, DB):
        await orchestrator.init(database)
        token[0] = None
        assert orchestrator.tracker.heard(orchestrator.next_move(), 1.0)[0].record.token == 0
        token[0] = 5
        assert orchestrator.tracker.heard(orchestrator.next_move(), 1.0)[0].record.token == 5
