"""`interviews token`: when a token is valid, and which interviews have none."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from tests.support.database.job_records import JobRecords, header
from worker.cli import interviews
from worker.cli.errors import ExitCode, code_of
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.operations.errors import InterviewOver, InterviewWindowClosed
from worker.store.interview_status import cancel_interview
from worker.store.interviews import RoomInUse, create_interview, get_interview
from worker.store.jobs import ship

if TYPE_CHECKING:
    from jwt.types import Options

    from worker.store.database import Database

SECRET = "a-secret-of-at-least-thirty-two-characters"
SETTINGS = {
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": SECRET,
}
PLAN = load_plan(SAMPLE_PLAN).to_json()
OPENS, CLOSES = datetime(2999, 3, 1, 9, tzinfo=UTC), datetime(2999, 3, 8, 9, tzinfo=UTC)


@pytest.fixture
def db(database: Database, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return the database that the command uses."""
    for name, value in {**SETTINGS, "DATABASE_URL": migrated_database_url}.items():
        monkeypatch.setenv(name, value)
    return database


async def create(db: Database, interview_id: str = "one", **fields: Any) -> None:
    await create_interview(db, interview_id=interview_id, plan=PLAN, **fields)


async def claims_of_token() -> dict[str, Any]:
    token = (await interviews._token("one"))["token"]
    ignored: Options = {"verify_nbf": False, "verify_exp": False}
    claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"], options=ignored)
    return claims


async def set_to(db: Database, **columns: object) -> None:
    for name, value in columns.items():
        query = f"UPDATE interviews SET {name} = $1 WHERE interview_id = 'one'"  # noqa: S608
        await db.fetch("set", query, value)


async def test_the_token_covers_the_window_the_room_and_the_candidate(db: Database) -> None:
    await create(
        db,
        room="lobby",
        candidate_identity="ada@example.org",
        candidate_name="Ada",
        opens_at=OPENS,
        closes_at=CLOSES,
    )
    claims = await claims_of_token()
    assert (claims["nbf"], claims["exp"]) == (OPENS.timestamp(), CLOSES.timestamp())
    assert (claims["sub"], claims["name"]) == ("ada@example.org", "Ada")
    assert claims["video"]["room"] == "lobby"


async def test_a_window_without_a_beginning_begins_with_the_interview(db: Database) -> None:
    await create(db)
    interview = await get_interview(db, "one")
    assert interview is not None
    claims = await claims_of_token()
    assert claims["nbf"] == int(interview.created_at.timestamp())
    assert claims["exp"] - claims["nbf"] in range(7 * 86_400 - 1, 7 * 86_400 + 2)


@pytest.mark.parametrize("end", [("completed", "InterviewCompleted"), ("cancelled", "RoomDeleted")])
async def test_an_interview_that_is_over_has_no_token(db: Database, end: tuple[str, str]) -> None:
    await create(db)
    job = JobRecords()
    job.transition("CLOSED", outcome=end[0], reason=end[1])
    await ship(db, header(), job.records)
    with pytest.raises(InterviewOver, match=rf"is over \({end[0]}, {end[1]}\)") as over:
        await interviews._token("one")
    assert code_of(over.value) is ExitCode.FAILED


async def test_a_cancelled_interview_has_no_token(db: Database) -> None:
    await create(db)
    await cancel_interview(db, "one")
    with pytest.raises(InterviewOver, match=r"is over \(cancelled, CancelRequested\)"):
        await interviews._token("one")


@pytest.mark.parametrize("status", ["created", "waiting"])
async def test_an_interview_whose_window_has_closed_has_no_token(db: Database, status: str) -> None:
    await create(db)
    await set_to(db, status=status, closes_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    with pytest.raises(InterviewWindowClosed, match=r"closed at 2026-03-01 09:30:00 UTC") as closed:
        await interviews._token("one")
    assert code_of(closed.value) is ExitCode.FAILED


async def test_the_candidate_of_an_interview_that_goes_on_can_come_back(db: Database) -> None:
    await create(db)
    await set_to(db, status="running", closes_at=datetime.now(UTC) - timedelta(hours=1))
    claims = await claims_of_token()
    assert 590 < claims["exp"] - time.time() < 610


async def test_no_token_lets_a_candidate_into_the_room_of_another_interview(db: Database) -> None:
    await create(db)
    await set_to(db, status="ended", outcome="failed", reason="ProcessKilled")
    await create(db, "two", room="interview-one")
    with pytest.raises(RoomInUse):
        await interviews._token("one")
