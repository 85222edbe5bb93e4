"""Room tools against a real LiveKit server."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from livekit import api, rtc

from tests.support.live.one_question import PLAN
from tests.support.live.room_options import options_of
from tests.support.live.running_worker import RunningWorker
from tests.support.live.waiting import PATIENCE_S, answered
from worker.livekit_api.calls import DISPATCHES_TIMEOUT_S
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitKeyRefused, LiveKitUnreachable, RoomToolError
from worker.livekit_api.room_options import RoomOptions
from worker.simulation.room_candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.live.scenarios import Record
    from worker.simulation.livekit_server import LiveKitServer

#: Seconds after which the server has counted the participants of a room again: its interval is 5 s,
#: and a change just after a count is in the count after the next one.
COUNTED_S = 12.0
#: A participant in a process of its own, so that it can be killed.
PARTICIPANT = """
import asyncio, sys
from livekit import rtc

async def main():
    room = rtc.Room()
    await room.connect(sys.argv[1], sys.argv[2])
    print("joined", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def client(livekit_server: LiveKitServer) -> LiveKitClient:
    return livekit_server.client


@pytest.fixture
def room() -> str:
    return f"room-{uuid4().hex[:8]}"


async def test_a_room_is_created_once_and_deleted_once(client: LiveKitClient, room: str) -> None:
    first = await client.create_room(room, metadata="m")
    assert first.startswith("RM_")
    assert await client.create_room(room) == first
    assert await client.delete_room(room)
    assert not await client.delete_room(room)


async def test_a_dispatch_is_accepted_without_a_worker(client: LiveKitClient, room: str) -> None:
    first = await client.dispatch(agent_name="interviewer", room=room, metadata="{}")
    second = await client.dispatch(agent_name="interviewer", room=room)
    assert first.startswith("AD_")
    assert first != second


async def test_a_candidate_is_listed_and_removed_once(client: LiveKitClient, room: str) -> None:
    token = client.candidate_token(room=room, identity="candidate-1", name="Ann")
    assert await client.list_participants(room) == []
    async with Candidate(client.url, token) as candidate:
        assert await client.list_participants(room) == ["candidate-1"]
        assert await client.remove_participant(room=room, identity="candidate-1")
        await candidate.wait_until_disconnected(timeout_s=20)
    assert not await client.remove_participant(room=room, identity="candidate-1")


async def test_an_expired_token_is_refused(client: LiveKitClient, room: str) -> None:
    token = client.candidate_token(room=room, identity="late", ttl_s=-3600)
    with pytest.raises(rtc.ConnectError):
        await Candidate(client.url, token).join()


async def test_a_token_is_refused_before_its_window_and_may_be_valid_for_long(
    client: LiveKitClient, room: str
) -> None:
    now = datetime.now(UTC)
    early = client.candidate_token(
        room=room,
        identity="early",
        not_before=now + timedelta(hours=1),
        expires=now + timedelta(hours=2),
    )
    with pytest.raises(rtc.ConnectError):
        await Candidate(client.url, early).join()
    invited = client.candidate_token(
        room=room,
        identity="invited",
        not_before=now - timedelta(days=30),
        expires=now + timedelta(days=365),
    )
    async with Candidate(client.url, invited):
        assert await client.list_participants(room) == ["invited"]


async def test_a_room_has_places_for_a_limited_number_of_people(
    client: LiveKitClient, room: str
) -> None:
    await client.create_room(room, most_people=1)
    first, second = (
        client.candidate_token(room=room, identity=identity) for identity in ("first", "second")
    )
    async with Candidate(client.url, first):
        with pytest.raises(rtc.ConnectError):
            await Candidate(client.url, second).join()
        assert await client.list_participants(room) == ["first"]


async def test_http_urls_work_like_websocket_urls(
    livekit_server: LiveKitServer, client: LiveKitClient, room: str
) -> None:
    assert await replace(client, url=livekit_server.http_url).create_room(room)


async def test_a_refusal_names_the_operation_and_the_code(client: LiveKitClient) -> None:
    with pytest.raises(RoomToolError) as caught:
        await client.create_room("x" * 1000)
    assert caught.value.operation == "create_room"
    assert caught.value.code == "invalid_argument"


async def test_a_wrong_secret_is_refused_for_every_call(client: LiveKitClient, room: str) -> None:
    stranger = replace(client, secret="wrong" * 10)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.create_room(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.delete_room(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.dispatch(agent_name="interviewer", room=room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.list_participants(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.remove_participant(room=room, identity="candidate-1")
    with pytest.raises(LiveKitKeyRefused):
        await stranger.rooms_with_participants([room])
    with pytest.raises(LiveKitKeyRefused):
        await stranger.list_dispatches(room)
    with pytest.raises(LiveKitKeyRefused):
        await stranger.delete_dispatch(room, "AD_1")


# --- the number of participants -----------------------------------------------------------------


async def counted(client: LiveKitClient, room: str, number: int, timeout_s: float) -> None:
    """Wait until the server counts the given number of participants in a room."""

    async def is_counted() -> bool:
        return await client.rooms_with_participants([room]) == {room: number}

    await answered(is_counted, f"a count of {number}", timeout_s=timeout_s)


@asynccontextmanager
async def agent_in(client: LiveKitClient, room: str) -> AsyncIterator[None]:
    """Keep a participant in the room that is an agent, as a job's is."""
    grants = api.VideoGrants(room_join=True, room=room)
    token = api.AccessToken(client.key, client.secret).with_identity("agent-1").with_kind("agent")
    joined = rtc.Room()
    await joined.connect(client.url, token.with_grants(grants).to_jwt())
    try:
        yield
    finally:
        await joined.disconnect()


async def test_one_request_counts_the_participants_of_all_existing_rooms(
    client: LiveKitClient, room: str
) -> None:
    empty, absent = f"{room}-empty", f"{room}-absent"
    await client.create_room(room)
    await client.create_room(empty)
    token = client.candidate_token(room=room, identity="candidate-1")
    async with Candidate(client.url, token):
        await counted(client, room, 1, COUNTED_S)
        assert await client.rooms_with_participants([room, empty, absent]) == {room: 1, empty: 0}
        assert await client.rooms_with_participants([absent]) == {}
        assert await client.rooms_with_participants([]) == {}


async def test_an_agent_does_not_count(client: LiveKitClient, room: str) -> None:
    await client.create_room(room)
    token = client.candidate_token(room=room, identity="candidate-1")
    async with agent_in(client, room):
        async with Candidate(client.url, token):
            await counted(client, room, 1, COUNTED_S)
            assert await client.list_participants(room) == ["agent-1", "candidate-1"]
        await counted(client, room, 0, COUNTED_S)
        assert await client.list_participants(room) == ["agent-1"]


async def test_a_dead_participant_counts_for_about_twenty_seconds(
    client: LiveKitClient, room: str, record_property: Record
) -> None:
    await client.create_room(room)
    token = client.candidate_token(room=room, identity="candidate-1")
    arguments = (sys.executable, "-c", PARTICIPANT, client.url, token)
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"joined\n"
        await counted(client, room, 1, COUNTED_S)
    finally:
        process.kill()
        await process.wait()
    loop = asyncio.get_running_loop()
    killed_s = loop.time()
    assert await client.rooms_with_participants([room]) == {room: 1}

    async def is_gone() -> bool:
        return await client.list_participants(room) == []

    await answered(is_gone, "the end of the dead participant", timeout_s=PATIENCE_S)
    listed_s = loop.time() - killed_s
    record_property("listed_s", f"{listed_s:.1f}")
    assert listed_s > 10
    await counted(client, room, 0, COUNTED_S)


# --- the options of a room ----------------------------------------------------------------------

OPTIONS = RoomOptions(empty_timeout_s=1234, departure_timeout_s=567, most_people=1)


async def create_with_options(client: LiveKitClient, room: str) -> str:
    return await client.create_room(
        room,
        empty_timeout_s=OPTIONS.empty_timeout_s,
        departure_timeout_s=OPTIONS.departure_timeout_s,
        most_people=OPTIONS.most_people,
    )


async def test_a_candidate_opens_a_closed_room_with_the_options_of_the_token(
    client: LiveKitClient, room: str
) -> None:
    token = client.candidate_token(room=room, identity="candidate-1", options=OPTIONS)
    async with Candidate(client.url, token):
        assert await options_of(client, room) == OPTIONS


async def test_an_open_room_keeps_its_options_while_somebody_is_in_it_and_is_created_anew_later(
    client: LiveKitClient, room: str
) -> None:
    token = client.candidate_token(room=room, identity="candidate-1")
    async with Candidate(client.url, token):
        first = await create_with_options(client, room)
        assert (await options_of(client, room)).departure_timeout_s == 20

    async def is_empty() -> bool:
        return await client.list_participants(room) == []

    await answered(is_empty, "the end of the candidate's presence")
    second = await create_with_options(client, room)
    assert second != first
    assert await options_of(client, room) == OPTIONS
    assert await create_with_options(client, room) == second


async def test_a_full_room_refuses_another_person_and_admits_an_agent(
    client: LiveKitClient, room: str
) -> None:
    await create_with_options(client, room)
    first, second = (
        Candidate(client.url, client.candidate_token(room=room, identity=f"candidate-{number}"))
        for number in (1, 2)
    )
    async with first:
        with pytest.raises(rtc.ConnectError):
            await second.join()
        async with agent_in(client, room):
            assert await client.list_participants(room) == ["agent-1", "candidate-1"]


# --- dispatches ---------------------------------------------------------------------------------


async def test_a_dispatch_is_listed_until_it_is_deleted(client: LiveKitClient, room: str) -> None:
    first = await client.dispatch(agent_name="interviewer", room=room, metadata="{}")
    second = await client.dispatch(agent_name="interviewer", room=room)

    async def listed() -> list[str]:
        return [each.dispatch_id for each in await client.list_dispatches(room)]

    assert await listed() == [first, second]
    assert await client.delete_dispatch(room, first)
    assert await listed() == [second]
    assert not await client.delete_dispatch(room, first)
    assert not await client.delete_dispatch(room, "AD_never_made")


async def test_a_dispatch_of_a_room_that_does_not_exist_is_given_up_in_time(
    client: LiveKitClient, room: str
) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    with suppress(LiveKitUnreachable):
        assert not await client.delete_dispatch(room, "AD_1")
    with suppress(LiveKitUnreachable):
        assert await client.list_dispatches(room) == []
    assert loop.time() - began_s < 2 * DISPATCHES_TIMEOUT_S + 2


async def test_a_deleted_dispatch_reaches_no_later_worker_and_ends_the_job_that_it_had(
    livekit_server: LiveKitServer, client: LiveKitClient, room: str
) -> None:
    worker = RunningWorker(livekit_server)
    try:
        too_early = await client.dispatch(agent_name=worker.agent_name, room=room)
        assert await client.delete_dispatch(room, too_early)
        await worker.start()
        interview = await worker.create(PLAN)
        await worker.send_interviewer(interview)
        await worker.job(interview.room)

        async def present() -> list[str]:
            return await client.list_participants(interview.room)

        await answered(present, "the interviewer")
        assert worker.histories(room) == []
        (its_own,) = await client.list_dispatches(interview.room)
        assert await client.delete_dispatch(interview.room, its_own.dispatch_id)

        async def is_gone() -> bool:
            return await present() == []

        await answered(is_gone, "the end of the interviewer whose dispatch was deleted")
    finally:
        await worker.discard()
