"""The room that is away for a moment, as the line to the candidate has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from async_steps import done
from job_parts import HeardLine
from livekit import rtc

from worker import stage
from worker.stage import RoomStage

if TYPE_CHECKING:
    from livekit.agents import JobContext


@pytest.mark.parametrize("back", ["reconnected", "local_track_subscribed"])
async def test_nothing_is_played_from_reconnecting_until_somebody_hears_again(
    monkeypatch: pytest.MonkeyPatch, back: str
) -> None:
    monkeypatch.setattr(stage, "Line", HeardLine)
    room: Any = rtc.EventEmitter()

    async def connect(**_: object) -> None:
        await done()

    ctx = SimpleNamespace(room=room, connect=connect)
    here = RoomStage(cast("JobContext", ctx), lambda _: None)
    await here.connect()
    await here.line.publish()
    await here.line.wait_for_subscriber()
    assert here.line.listened

    room.emit("reconnecting")
    assert not here.line.listened
    room.emit(back, *([object()] if back == "local_track_subscribed" else []))
    assert here.line.listened
    await here.line.aclose()
