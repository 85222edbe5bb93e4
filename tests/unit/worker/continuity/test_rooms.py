"""The LiveKit rooms of a redispatch: what LiveKit gets with a dispatch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from tests.support.virtual.stored_interview import stored_interview
from worker.continuity.dispatch_metadata import read_follows, read_metadata, read_turns
from worker.continuity.metadata_cipher import WorkerKeys
from worker.continuity.rooms import LiveKitRooms
from worker.store.orphans import LEASE_EXPIRED, OrphanedInterview

if TYPE_CHECKING:
    from worker.livekit_api.calls import LiveKitCalls

KEY = "a-key-of-the-workers-with-enough-characters"
ANSWER = "I learned to listen."


class FakeLiveKit:
    """A server that keeps the metadata of dispatches."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def dispatch(self, *, agent_name: str, room: str, metadata: str) -> str:
        assert (agent_name, room) == ("interviewer", "room-1")
        self.sent.append(metadata)
        return "AD_1"


async def test_livekit_gets_neither_plan_nor_turns_of_a_redispatched_interview() -> None:
    livekit, keys = FakeLiveKit(), WorkerKeys(KEY)
    rooms = LiveKitRooms(cast("LiveKitCalls", livekit), agent_name="interviewer", seal=keys.seal)
    plan = {"title": "A secret plan"}
    found = OrphanedInterview(
        interview=stored_interview(plan=plan),
        why=LEASE_EXPIRED,
        lost_why=LEASE_EXPIRED,
        last_job="AJ_1",
    )
    turns = [{"speaker": "candidate", "text": ANSWER}]
    assert await rooms.send(found, turns=turns, spent_s=12.0) == "AD_1"
    (sent,) = livekit.sent
    assert json.loads(sent)["interview_id"] == "iv-1"
    assert "A secret plan" not in sent
    assert ANSWER not in sent

    plain = keys.decrypt(sent, room="room-1")
    assert read_metadata(plain) == ("iv-1", plan)
    assert read_turns(plain) == turns
    assert read_follows(plain) == {"follows_job": "AJ_1", "follows_why": LEASE_EXPIRED}
