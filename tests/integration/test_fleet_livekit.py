"""The stand-in of LiveKit's server API, called with the worker's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.fleet_livekit import LiveKitStandIn
from worker.livekit_api.client import LiveKitClient


@pytest.fixture
async def server() -> AsyncIterator[LiveKitStandIn]:
    async with LiveKitStandIn(answer_s=0.001) as server:
        yield server


@pytest.fixture
def client(server: LiveKitStandIn) -> LiveKitClient:
    return LiveKitClient(server.url, "devkey", "a-secret-that-nobody-checks-in-this-test")


async def test_the_participants_of_a_room_are_listed_until_they_are_removed(
    server: LiveKitStandIn, client: LiveKitClient
) -> None:
    server.people["room"] = {"candidate", "interviewer-AJ_1"}
    assert await client.list_participants("room") == ["candidate", "interviewer-AJ_1"]
    assert await client.remove_participant(room="room", identity="interviewer-AJ_1")
    assert await client.list_participants("room") == ["candidate"]
    assert not await client.remove_participant(room="room", identity="interviewer-AJ_1")


async def test_a_room_that_does_not_exist_has_no_participants(client: LiveKitClient) -> None:
    assert await client.list_participants("nowhere") == []


async def test_a_dispatch_is_handed_on_with_its_metadata(
    server: LiveKitStandIn, client: LiveKitClient
) -> None:
    handed: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def hand_on(room: str, metadata: str) -> None:
        handed.put_nowait((room, metadata))

    server.on_dispatch = hand_on
    dispatch_id = await client.dispatch(agent_name="interviewer", room="room", metadata="{}")
    assert dispatch_id.startswith("AD_")
    assert await handed.get() == ("room", "{}")
    assert "room" in server.dispatched_at
    assert server.calls == {"CreateDispatch": 1}


async def test_the_check_of_a_worker_that_starts_succeeds(client: LiveKitClient) -> None:
    await client.check(budget_s=5)
