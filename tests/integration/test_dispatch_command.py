"""`interviews dispatch`: the interviews and rooms that get an interviewer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database.job_records import JobRecords, header
from worker.cli import interviews
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.livekit_api.client import LiveKitClient
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotFound,
    InterviewOver,
    InterviewTooNew,
    InterviewWindowClosed,
)
from worker.store.interviews import InterviewStatus, RoomInUse, create_interview, get_interview
from worker.store.jobs import ship
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.store.database import Database

SETTINGS = {
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "secret",
    "INTERVIEW_AGENT_NAME": "interviewer",
}


class LiveKit:
    """A fake LiveKit server: its rooms, their participants, and the dispatches made."""

    def __init__(self) -> None:
        self.present: dict[str, list[str]] = {}
        self.sent: list[tuple[str, str]] = []

    async def create_room(self, room: str, **_: Any) -> str:
        self.present.setdefault(room, [])
        return "RM_1"

    async def list_participants(self, room: str) -> list[str]:
        return self.present.get(room, [])

    async def dispatch(self, *, agent_name: str, room: str, metadata: str) -> str:
        assert room in self.present
        assert agent_name == "interviewer"
        self.sent.append((room, metadata))
        return f"AD_{len(self.sent)}"


@pytest.fixture
def livekit(monkeypatch: pytest.MonkeyPatch, migrated_database_url: str) -> LiveKit:
    """Return the server that the commands use, with the test's database configured."""
    for name, value in {**SETTINGS, "DATABASE_URL": migrated_database_url}.items():
        monkeypatch.setenv(name, value)
    server = LiveKit()
    for name in ("create_room", "list_participants", "dispatch"):
        monkeypatch.setattr(LiveKitClient, name, getattr(server, name))
    return server


async def create_ended(db: Database, outcome: str, reason: str) -> None:
    await create_interview(db, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    job = JobRecords()
    job.transition("CLOSED", outcome=outcome, reason=reason)
    await ship(db, header(), job.records)


@pytest.mark.parametrize(
    ("outcome", "reason"), [("failed", "ProcessKilled"), ("cancelled", "ShutdownRequested")]
)
async def test_an_interview_that_can_continue_gets_a_room_and_an_interviewer(
    database: Database, livekit: LiveKit, outcome: str, reason: str
) -> None:
    await create_ended(database, outcome, reason)
    sent = await interviews._dispatch("one")
    assert sent == {"interview_id": "one", "room": "interview-one", "dispatch_id": "AD_1"}
    ((room, metadata),) = livekit.sent
    assert room == "interview-one"
    assert json.loads(metadata)["interview_id"] == "one"
    assert json.loads(metadata)["protocol"] == 1
    interview = await get_interview(database, "one")
    assert interview is not None
    assert (interview.status, interview.dispatch_id) == (InterviewStatus.DISPATCHED, "AD_1")


async def test_a_finished_interview_gets_no_interviewer(
    database: Database, livekit: LiveKit
) -> None:
    await create_ended(database, "completed", "InterviewCompleted")
    with pytest.raises(InterviewOver, match=r"is over \(completed, InterviewCompleted\)"):
        await interviews._dispatch("one")
    assert livekit.sent == []


async def test_an_unknown_interview_gets_no_interviewer(livekit: LiveKit) -> None:
    with pytest.raises(InterviewNotFound, match="there is no interview 'none'"):
        await interviews._dispatch("none")
    assert livekit.sent == []


async def test_a_room_with_an_interviewer_gets_no_second_one(
    database: Database, livekit: LiveKit
) -> None:
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    livekit.present["interview-one"] = ["candidate-one", "interviewer-AJ_1"]
    with pytest.raises(InterviewerPresent, match="interviewer-AJ_1 is in room"):
        await interviews._dispatch("one")
    assert livekit.sent == []


async def test_an_interview_that_waits_for_its_candidate_gets_an_interviewer(
    database: Database, livekit: LiveKit
) -> None:
    await create_ended(database, "abandoned", "CandidateNeverJoined")
    waiting = await get_interview(database, "one")
    assert waiting is not None
    assert (waiting.status, waiting.outcome) == (InterviewStatus.WAITING, None)
    await interviews._dispatch("one")
    assert [room for room, _ in livekit.sent] == ["interview-one"]
    dispatched = await get_interview(database, "one")
    assert dispatched is not None
    assert (dispatched.status, dispatched.reason) == (InterviewStatus.DISPATCHED, None)


async def close_window(db: Database) -> None:
    query = "UPDATE interviews SET closes_at = '2026-03-01T09:30Z' WHERE interview_id = 'one'"
    await db.run("close", lambda c: c.execute(query))


@pytest.mark.parametrize("status", ["created", "waiting"])
async def test_beyond_its_window_an_interview_without_its_candidate_gets_no_interviewer(
    database: Database, livekit: LiveKit, status: str
) -> None:
    """The leader may not have ended it yet: the answer is the same before and after that."""
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    await database.run("status", lambda c: c.execute("UPDATE interviews SET status = $1", status))
    await close_window(database)
    with pytest.raises(InterviewWindowClosed, match=r"closed at 2026-03-01 09:30:00 UTC: create"):
        await interviews._dispatch("one")
    assert livekit.sent == []


async def test_an_interview_that_broke_off_gets_an_interviewer_beyond_its_window(
    database: Database, livekit: LiveKit
) -> None:
    await create_ended(database, "failed", "ProcessKilled")
    await close_window(database)
    await interviews._dispatch("one")
    assert [room for room, _ in livekit.sent] == ["interview-one"]


async def test_an_interview_whose_room_another_one_has_gets_no_interviewer(
    database: Database, livekit: LiveKit
) -> None:
    await create_ended(database, "failed", "ProcessKilled")
    plan = load_plan(SAMPLE_PLAN).to_json()
    await create_interview(database, interview_id="two", plan=plan, room="interview-one")
    with pytest.raises(RoomInUse, match="the room 'interview-one' belongs to another interview"):
        await interviews._dispatch("one")
    assert livekit.sent == []


async def test_an_interview_of_a_later_version_gets_no_interviewer(
    database: Database, livekit: LiveKit
) -> None:
    await create_interview(database, interview_id="one", plan=load_plan(SAMPLE_PLAN).to_json())
    await database.run(
        "newer", lambda c: c.execute("UPDATE interviews SET protocol = $1", PROTOCOL + 1)
    )
    with pytest.raises(InterviewTooNew, match="use the command of that version"):
        await interviews._dispatch("one")
    assert livekit.sent == []
