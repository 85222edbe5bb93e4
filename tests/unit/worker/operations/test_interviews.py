"""What an operation on interviews returns for the candidate's client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.operations import interviews as operations

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("public", "url"),
    [("", "ws://livekit:7880"), ("wss://livekit.example", "wss://livekit.example")],
)
async def test_a_candidate_gets_the_public_url_of_the_server(
    public: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def known(_: object, interview_id: str) -> Any:
        return SimpleNamespace(
            interview_id=interview_id,
            room="room-1",
            candidate_identity="candidate-1",
            candidate_name="",
        )

    monkeypatch.setattr(operations, "known_interview", known)
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
