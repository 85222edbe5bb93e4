"""`interviews create`: a refused creation leaves nothing, and what is left is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from worker.cli import interviews
from worker.cli.common import ExitCode
from worker.cli.errors import code_of
from worker.interview.plan.plan import SAMPLE_PLAN
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitKeyRefused, LiveKitUnreachable
from worker.operations import interviews as operations
from worker.operations.errors import InterviewNotCreated
from worker.store.errors import DatabaseUnavailable
from worker.store.interviews import InterviewStatus, RoomInUse, list_interviews
from worker.store.leases import take_lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from worker.store.database import Database

URL = "ws://127.0.0.1:1"
SETTINGS = {"LIVEKIT_URL": URL, "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 6}


class LiveKit:
    """A fake LiveKit server, whose rooms and dispatches a test can make fail."""

    def __init__(self) -> None:
        self.rooms: list[str] = []
        self.sent: list[str] = []
        self.room_error: Exception | None = None
        self.dispatch_error: Exception | None = None
        #: Called with the room of a dispatch before the dispatch fails or succeeds.
        self.on_dispatch: Callable[[str], Awaitable[object]] | None = None

    async def create_room(self, room: str, **_: Any) -> str:
        if self.room_error is not None:
            raise self.room_error
        self.rooms.append(room)
        return "RM_1"

    async def delete_room(self, room: str) -> bool:
        self.rooms.remove(room)
        return True

    async def dispatch(self, *, agent_name: str, room: str, metadata: str) -> str:
        assert room in self.rooms
        if self.on_dispatch is not None:
            await self.on_dispatch(room)
        if self.dispatch_error is not None:
            raise self.dispatch_error
        self.sent.append(room)
        return "AD_1"


@pytest.fixture
def livekit(monkeypatch: pytest.MonkeyPatch, migrated_database_url: str) -> LiveKit:
    """Return the server that the command uses, with the test's database configured."""
    for name, value in {**SETTINGS, "DATABASE_URL": migrated_database_url}.items():
        monkeypatch.setenv(name, value)
    server = LiveKit()
    for name in ("create_room", "delete_room", "dispatch"):
        monkeypatch.setattr(LiveKitClient, name, getattr(server, name))
    return server


def unreachable() -> Exception:
    return LiveKitUnreachable(URL, reason="connection refused", budget_s=10)


async def create(*, room: str | None = None, send: bool = False, **window: str) -> dict[str, Any]:
    return await interviews._create("Ada", SAMPLE_PLAN, room, send=send, **window)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (unreachable(), ExitCode.UNAVAILABLE),
        (LiveKitKeyRefused(URL), ExitCode.LIVEKIT_REFUSED),
    ],
)
async def test_a_server_that_creates_no_room_leaves_no_interview(
    database: Database, livekit: LiveKit, error: Exception, code: ExitCode
) -> None:
    livekit.room_error = error
    with pytest.raises(InterviewNotCreated, match="; no interview was created") as failed:
        await create()
    assert code_of(failed.value) is code
    assert await list_interviews(database) == []


@pytest.mark.parametrize(("room", "left"), [(None, []), ("shared", ["shared"])])
async def test_a_refused_dispatch_leaves_no_interview_and_no_room_of_its_own(
    database: Database, livekit: LiveKit, room: str | None, left: list[str]
) -> None:
    livekit.dispatch_error = LiveKitKeyRefused(URL)
    with pytest.raises(InterviewNotCreated, match="; no interview was created"):
        await create(room=room, send=True)
    assert await list_interviews(database) == []
    assert livekit.rooms == left


async def test_a_dispatch_without_an_answer_keeps_the_interview_for_its_interviewer(
    database: Database, livekit: LiveKit
) -> None:
    """LiveKit may have accepted the dispatch, and its interviewer has no lease yet."""
    livekit.dispatch_error = unreachable()
    with pytest.raises(InterviewNotCreated, match="stays in the database") as failed:
        await create(send=True)
    (interview,) = await list_interviews(database)
    assert failed.value.kept == interview.interview_id
    assert code_of(failed.value) is ExitCode.UNAVAILABLE
    assert livekit.rooms == [interview.room]


async def test_an_interview_that_was_taken_although_the_dispatch_was_refused_stays(
    database: Database, livekit: LiveKit
) -> None:
    async def taken(room: str) -> None:
        interview_id = room.removeprefix("interview-")
        await take_lease(database, interview_id, job_id="AJ_1", lease_s=3)

    livekit.on_dispatch, livekit.dispatch_error = taken, LiveKitKeyRefused(URL)
    with pytest.raises(InterviewNotCreated, match="stays in the database") as failed:
        await create(send=True)
    (interview,) = await list_interviews(database)
    assert failed.value.kept == interview.interview_id
    assert livekit.rooms == [interview.room]


async def test_a_dispatch_that_cannot_be_stored_names_the_interview_that_is_kept(
    database: Database, livekit: LiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object, **__: object) -> bool:
        raise DatabaseUnavailable("set_dispatched", OSError(), "postgresql://db")

    monkeypatch.setattr(operations, "set_dispatched", unavailable)
    with pytest.raises(InterviewNotCreated, match="stays in the database") as failed:
        await create(send=True)
    (interview,) = await list_interviews(database)
    assert failed.value.kept == interview.interview_id
    assert code_of(failed.value) is ExitCode.UNAVAILABLE
    assert livekit.rooms == livekit.sent == [interview.room]


async def test_an_interview_is_created_with_its_room_and_dispatched(
    database: Database, livekit: LiveKit
) -> None:
    shown = await create(send=True)
    (interview,) = await list_interviews(database)
    assert shown["interview_id"] == interview.interview_id
    assert (shown["candidate_name"], shown["status"]) == ("Ada", InterviewStatus.DISPATCHED)
    assert shown["plan_title"] == interview.plan["title"]
    assert livekit.rooms == livekit.sent == [interview.room]


DAYS_7 = timedelta(days=7)


async def test_an_interview_has_the_window_of_the_command(
    database: Database, livekit: LiveKit
) -> None:
    opens, closes = "2999-03-01T10:00+01:00", "2999-03-01T18:00Z"
    given = await create(opens=opens, closes=closes)
    assert given["opens_at"] == datetime(2999, 3, 1, 9, tzinfo=UTC)
    assert given["closes_at"] == datetime(2999, 3, 1, 18, tzinfo=UTC)
    later = await create(opens=opens)
    assert later["closes_at"] - later["opens_at"] == DAYS_7
    default = await create()
    assert default["opens_at"] is None
    assert default["closes_at"] - default["created_at"] == DAYS_7


async def test_a_room_of_an_open_interview_is_refused_on_the_same_server_only(
    database: Database, livekit: LiveKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(room="lobby")
    with pytest.raises(RoomInUse, match="the room 'lobby' belongs to another interview") as failed:
        await create(room="lobby")
    assert code_of(failed.value) is ExitCode.TAKEN
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.2:1")
    await create(room="lobby")
    servers = {each.livekit_url for each in await list_interviews(database)}
    assert servers == {"127.0.0.1:1", "127.0.0.2:1"}
