"""The dispatch of a successor by a job, which has neither the API secret nor the workers' key."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.continuity import handover
from worker.continuity.handover import InterviewHandover
from worker.continuity.metadata_cipher import WorkerKeys
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.job_access import JobAccess
from worker.livekit_api.room_client import LiveKitRoomClient

if TYPE_CHECKING:
    from pathlib import Path

    from worker.continuity.rooms import LiveKitRooms

KEY = "a-key-of-the-workers-with-enough-characters"
PLAIN = json.dumps({"interview_id": "iv-1", "plan": {}})
INTERVIEW = cast(Any, SimpleNamespace(interview_id="iv-1", room="room-1"))


class Rescues(list["LiveKitRooms"]):
    """Replaces the redispatcher; keeps the rooms that each was given."""

    def __call__(self, rooms: LiveKitRooms, **_: Any) -> Rescues:
        self.append(rooms)
        return self

    async def look_at(self, _: object, *, job_id: str) -> int:
        assert job_id == "AJ_1"
        return 1


@pytest.fixture
def rescues(monkeypatch: pytest.MonkeyPatch) -> Rescues:
    found = Rescues()
    monkeypatch.setattr(handover, "Redispatcher", found)
    return found


def steps_of(folder: Path, access: JobAccess | None, **variables: str) -> InterviewHandover:
    settings = settings_in(folder, LIVEKIT_URL="ws://livekit:7880", **variables)
    steps = InterviewHandover(
        settings, interview_id="iv-1", job_id="AJ_1", lease=cast(Any, None), access=access
    )
    steps.database = cast(Any, object())
    return steps


def access_with(metadata_key: str) -> JobAccess:
    return JobAccess(
        "ws://livekit:7880",
        room="room-1",
        token="token-of-room-1",
        metadata_key=metadata_key,
        worker=cast(Any, None),
    )


async def test_a_job_sends_its_successor_with_the_token_of_its_room_and_the_key_of_its_interview(
    tmp_path: Path, rescues: Rescues
) -> None:
    key = WorkerKeys(KEY).for_interview("room-1", "iv-1").to_text()
    await steps_of(tmp_path, access_with(key)).send_successor()
    (rooms,) = rescues
    client = rooms._livekit
    assert isinstance(client, LiveKitRoomClient)
    assert (client.url, client.token()) == ("ws://livekit:7880", "token-of-room-1")
    assert WorkerKeys(KEY).decrypt(rooms._seal(INTERVIEW)(PLAIN), room="room-1") == PLAIN


async def test_a_job_without_a_key_sends_no_readable_plan(tmp_path: Path, rescues: Rescues) -> None:
    await steps_of(tmp_path, access_with("")).send_successor()
    (rooms,) = rescues
    with pytest.raises(ValueError, match="key"):
        rooms._seal(INTERVIEW)(PLAIN)


async def test_outside_a_worker_the_settings_have_the_key(tmp_path: Path, rescues: Rescues) -> None:
    steps = steps_of(tmp_path, None, LIVEKIT_API_KEY="key", LIVEKIT_API_SECRET=KEY)
    await steps.send_successor()
    (rooms,) = rescues
    assert isinstance(rooms._livekit, LiveKitClient)
    assert WorkerKeys(KEY).decrypt(rooms._seal(INTERVIEW)(PLAIN), room="room-1") == PLAIN
