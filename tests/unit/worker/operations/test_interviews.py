"""What an operation on interviews returns for the candidate's client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.operations import interviews as operations
from worker.store.interview_status import Obstacles
from worker.store.interviews import Interview, InterviewStatus

if TYPE_CHECKING:
    from pathlib import Path


async def open_interview(_: object, interview_id: str) -> Interview:
    now = datetime.now(UTC)
    return Interview(
        interview_id=interview_id,
        room="room-1",
        candidate_identity="candidate-1",
        candidate_name=None,
        plan={},
        status=InterviewStatus.WAITING,
        outcome=None,
        reason=None,
        created_at=now,
        updated_at=now,
        dispatch_id=None,
        dispatch_token=None,
        dispatched_at=None,
        token=0,
        lease_job=None,
        lease_worker=None,
        lease_expires=None,
        tries=0,
        closes_at=now + timedelta(days=1),
    )


async def no_obstacles(*_: object, **__: object) -> Obstacles:
    return Obstacles(window_closed=False, room_in_use=False)


@pytest.mark.parametrize(
    ("public", "url"),
    [("", "ws://livekit:7880"), ("wss://livekit.example", "wss://livekit.example")],
)
async def test_a_candidate_gets_the_public_url_of_the_server(
    public: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "known_interview", open_interview)
    monkeypatch.setattr(operations, "obstacles_of", no_obstacles)
    settings = settings_in(
        tmp_path,
        LIVEKIT_URL="ws://livekit:7880",
        INTERVIEW_LIVEKIT_PUBLIC_URL=public,
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET="a-secret-of-at-least-thirty-two-characters",
    )
    pair = await operations.candidate_token(cast(Any, None), settings, "one")
    assert pair["url"] == url
    assert pair["token"]
