"""`interviews create`: a refused creation leaves nothing, and what is left is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from worker.cli import interviews
from worker.cli.common import ExitCode
from worker.cli.errors import code_of
from worker.continuity.dispatch_metadata import dispatch_metadata
from worker.interview.plan.plan import SAMPLE_PLAN, Plan, load_plan
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitKeyRefused, LiveKitUnreachable
from worker.operations import interviews as operations
from worker.operations.errors import (
    IdentityReserved,
    InterviewNotCreated,
    InterviewWindowClosed,
)
from worker.store.errors import DatabaseUnavailable
from worker.store.interview_status import cancel_interview
from worker.store.interviews import (
    Interview,
    InterviewExists,
    InterviewIdInvalid,
    InterviewStatus,
    RoomInUse,
    get_interview,
    list_interviews,
)
from worker.store.leases import take_lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from worker.store.database import Database

#: A window of an interview begins at most ten years from now.
NEXT_YEAR = datetime.now(UTC).year + 1
URL = "ws://127.0.0.1:1"
SETTINGS = {"LIVEKIT_URL": URL, "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 6}


class LiveKit:
    """A fake LiveKit server, whose rooms and dispatches a test can make fail."""

    def __init__(self) -> None:
        self.rooms: list[str] = []
        self.sent: list[str] = []
        self.room_error: Exception | None = None
        self.dispatch_error: Exception | None = None
        #: Identities of the participants, by room.
        self.people: dict[str, list[str]] = {}
        #: The limits of people with which rooms were created.
        self.most_people: list[int] = []
        #: Called with the room of a dispatch before the dispatch fails or succeeds.
        self.on_dispatch: Callable[[str], Awaitable[object]] | None = None

    async def create_room(self, room: str, *, most_people: int, **_: Any) -> str:
        if self.room_error is not None:
            raise self.room_error
        self.most_people.append(most_people)
        if room not in self.rooms:
            self.rooms.append(room)
        return "RM_1"

    async def list_participants(self, room: str) -> list[str]:
        return self.people.get(room, [])

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
    for name in ("create_room", "delete_room", "dispatch", "list_participants"):
        monkeypatch.setattr(LiveKitClient, name, getattr(server, name))
    return server


def unreachable() -> Exception:
    return LiveKitUnreachable(URL, reason="connection refused", budget_s=10)


async def create(
    *, room: str | None = None, send: bool = False, plan: Path = SAMPLE_PLAN, **given: str
) -> dict[str, Any]:
    return await interviews._create("Ada", plan, room, send=send, **given)


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
    opens, closes = f"{NEXT_YEAR}-03-01T10:00+01:00", f"{NEXT_YEAR}-03-01T18:00Z"
    given = await create(opens=opens, closes=closes)
    assert given["opens_at"] == datetime(NEXT_YEAR, 3, 1, 9, tzinfo=UTC)
    assert given["closes_at"] == datetime(NEXT_YEAR, 3, 1, 18, tzinfo=UTC)
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


# --- an id of the caller --------------------------------------------------------------------------

WINDOW: dict[str, Any] = {
    "opens": f"{NEXT_YEAR}-03-01T10:00+01:00",
    "closes": f"{NEXT_YEAR}-03-01T18:00Z",
}


async def only_interview(db: Database) -> Interview:
    (interview,) = await list_interviews(db)
    return interview


async def test_a_creation_with_the_same_id_gives_the_same_answer_and_no_second_interview(
    database: Database, livekit: LiveKit
) -> None:
    given: dict[str, Any] = {
        "interview_id": "talk-17",
        "identity": "ada@example.org",
        "room": "lobby",
        **WINDOW,
    }
    first = await create(**given)
    assert await create(**given) == first
    assert (first["interview_id"], first["candidate_identity"]) == ("talk-17", "ada@example.org")
    assert (await only_interview(database)).interview_id == "talk-17"
    assert livekit.rooms == ["lobby"]


async def test_without_a_window_a_repeated_creation_keeps_the_window_of_the_first(
    database: Database, livekit: LiveKit
) -> None:
    first = await create(interview_id="one", **WINDOW)
    assert await create(interview_id="one") == first


async def test_the_answer_is_the_same_after_the_interview_has_ended(
    database: Database, livekit: LiveKit
) -> None:
    await create(interview_id="one")
    await cancel_interview(database, "one")
    for send in (False, True):
        again = await create(interview_id="one", send=send)
        assert (again["status"], again["outcome"]) == (InterviewStatus.ENDED, "cancelled")
    assert livekit.sent == []


@pytest.mark.parametrize(
    ("differs", "name"),
    [
        ({"room": "lobby"}, "room"),
        ({"identity": "ada@example.org"}, "identity of the candidate"),
        ({"closes": f"{NEXT_YEAR}-03-02T18:00Z"}, "window"),
        ({"opens": f"{NEXT_YEAR}-03-01T11:00+01:00"}, "window"),
    ],
)
async def test_another_interview_with_the_same_id_is_refused(
    database: Database, livekit: LiveKit, differs: dict[str, Any], name: str
) -> None:
    given: dict[str, Any] = {"interview_id": "one", **WINDOW}
    first = await create(**given)
    with pytest.raises(InterviewExists, match=f"already exists with another {name}$") as refused:
        await create(**{**given, **differs})
    assert code_of(refused.value) is ExitCode.TAKEN
    assert await create(**given) == first
    assert livekit.rooms == [first["room"]]


async def test_another_plan_with_the_same_id_is_refused(
    database: Database, livekit: LiveKit, tmp_path: Path
) -> None:
    other = tmp_path / "plan.yaml"
    other.write_text(SAMPLE_PLAN.read_text(encoding="utf-8").replace("short_answer_words: 8", ""))
    await create(interview_id="one", plan=other)  # 8 is the default
    other.write_text(SAMPLE_PLAN.read_text(encoding="utf-8").replace("Hello", "Good morning"))
    with pytest.raises(InterviewExists, match=r"already exists with another plan$"):
        await create(interview_id="one", plan=other)


@pytest.mark.parametrize(("more", "protocol"), [("", 1), ("missed: I hear nothing. Goodbye.\n", 2)])
async def test_only_a_plan_with_a_key_that_protocol_1_lacks_raises_the_protocol_of_its_interview(
    database: Database, livekit: LiveKit, tmp_path: Path, more: str, protocol: int
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(SAMPLE_PLAN.read_text(encoding="utf-8") + more, encoding="utf-8")
    created = await create(plan=plan)
    interview = await get_interview(database, created["interview_id"])
    assert interview is not None
    assert interview.protocol == protocol
    assert json.loads(dispatch_metadata(interview))["protocol"] == protocol
    assert Plan.from_json(interview.plan) == load_plan(plan)


async def test_a_repeated_creation_sends_an_interviewer_only_once(
    database: Database, livekit: LiveKit
) -> None:
    await create(interview_id="one")
    for _ in range(3):
        shown = await create(interview_id="one", send=True)
        assert shown["status"] is InterviewStatus.DISPATCHED
    assert livekit.sent == ["interview-one"]


async def test_an_interviewer_whose_dispatch_was_not_stored_is_seen_in_the_room(
    database: Database, livekit: LiveKit
) -> None:
    livekit.dispatch_error = unreachable()
    with pytest.raises(InterviewNotCreated, match="stays in the database"):
        await create(interview_id="one", send=True)
    livekit.dispatch_error, livekit.people = None, {"interview-one": ["interviewer-AJ_1"]}
    await create(interview_id="one", send=True)
    assert livekit.sent == []
    livekit.people.clear()
    await create(interview_id="one", send=True)
    assert livekit.sent == ["interview-one"]


async def test_a_refused_dispatch_keeps_an_interview_that_existed_before(
    database: Database, livekit: LiveKit
) -> None:
    await create(interview_id="one")
    livekit.dispatch_error = LiveKitKeyRefused(URL)
    with pytest.raises(InterviewNotCreated, match="stays in the database") as failed:
        await create(interview_id="one", send=True)
    assert failed.value.kept == "one"
    assert await get_interview(database, "one") is not None
    assert livekit.rooms == ["interview-one"]


async def test_no_interviewer_is_sent_again_after_the_window(
    database: Database, livekit: LiveKit
) -> None:
    await create(interview_id="one")
    past = "UPDATE interviews SET closes_at = '2026-03-01T09:30Z'"
    await database.run("close", lambda c: c.execute(past))
    with pytest.raises(InterviewWindowClosed):
        await create(interview_id="one", send=True)
    assert livekit.sent == []


async def test_an_id_or_an_identity_that_cannot_be_used_is_refused(
    database: Database, livekit: LiveKit
) -> None:
    with pytest.raises(InterviewIdInvalid) as invalid:
        await create(interview_id="../one")
    with pytest.raises(IdentityReserved, match="must not begin with 'interviewer-'") as reserved:
        await create(identity="interviewer-AJ_1")
    assert {code_of(invalid.value), code_of(reserved.value)} == {ExitCode.USAGE}
    assert await list_interviews(database) == []
    assert livekit.rooms == []


async def test_a_room_holds_few_people(database: Database, livekit: LiveKit) -> None:
    await create()
    assert livekit.most_people == [4]
