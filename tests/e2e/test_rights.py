"""A job has the rights of its own room and interview, on a real server and in a real process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.live.one_question import PLAN, is_running, new_room
from tests.support.live.running_worker import RunningWorker
from worker.continuity.dispatch_metadata import dispatch_metadata
from worker.continuity.metadata_cipher import MetadataLocked, WorkerKeys
from worker.livekit_api.errors import LiveKitKeyRefused
from worker.livekit_api.room_client import LiveKitRoomClient, room_client, room_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.simulation.livekit_server import LiveKitServer

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("impatient_worker")]

#: Bytes of a process's memory that are read at once.
_CHUNK = 4 * 1024 * 1024


@pytest.fixture
def worker(impatient_worker: RunningWorker) -> RunningWorker:
    return impatient_worker


async def end(worker: RunningWorker, room: str) -> None:
    """End the job of a room, so that the slot is free for the next test."""
    await worker.delete_room(room)
    await worker.ended_job(room)


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def times_in_memory(pid: int, sought: bytes) -> int:
    """Count a text in the memory of a process that is not that of a file."""
    return sum(piece.count(sought) for piece in _memory_of(pid, len(sought)))


def _memory_of(pid: int, overlap: int) -> Iterator[bytes]:
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, access, *rest = line.split()
            if "r" not in access or rest[-1].startswith(("/", "[v")):
                continue  # a file, or the kernel's own
            start, end = (int(number, 16) for number in span.split("-"))
            for place in range(start, end, _CHUNK):
                memory.seek(place)
                try:
                    yield memory.read(min(_CHUNK + overlap, end - place))
                except OSError:
                    break  # unmapped meanwhile


async def test_the_process_of_a_running_job_has_no_api_secret(worker: RunningWorker) -> None:
    interview = await worker.create(PLAN)
    secret = worker.server.api_secret.encode()
    assert worker.process is not None
    async with worker.candidate_of(interview):
        await worker.send_interviewer(interview)
        job = await worker.job(interview.room, until=is_running)
        pid = int(job.header["pid"])
        for each in (pid, worker.process.pid):
            shown = await asyncio.to_thread(environment_of, each)
            assert b"INTERVIEW_AGENT_NAME=" in shown
            assert secret not in shown
        agent_name = worker.agent_name.encode()
        assert await asyncio.to_thread(times_in_memory, pid, agent_name) > 0
        assert await asyncio.to_thread(times_in_memory, pid, secret) == 0
        await end(worker, interview.room)


async def test_the_token_of_a_job_is_of_no_use_outside_its_room(
    worker: RunningWorker, livekit_server: LiveKitServer
) -> None:
    own, other = new_room(), new_room()
    for room in (own, other):
        await livekit_server.client.create_room(room)
    token = room_token(livekit_server.api_key, livekit_server.api_secret, own)
    client = room_client(livekit_server.url, lambda: token)
    async with worker.candidate(own, "stays"), worker.candidate(own, "goes"):
        assert await client.list_participants(own) == ["goes", "stays"]
        assert await client.remove_participant(room=own, identity="goes")
    dispatch = await client.dispatch(agent_name="nobody", room=own, metadata="{}")
    assert await client.delete_dispatch(own, dispatch)
    await _refused_elsewhere(client, other)


async def _refused_elsewhere(client: LiveKitRoomClient, other: str) -> None:
    calls = (
        lambda: client.list_participants(other),
        lambda: client.remove_participant(room=other, identity="someone"),
        lambda: client.dispatch(agent_name="nobody", room=other),
        lambda: client.list_dispatches(other),
        lambda: client.delete_room(other),
        lambda: client.create_room(other),
        lambda: client.rooms_with_participants([other]),
    )
    for call in calls:
        with pytest.raises(LiveKitKeyRefused):
            await call()


async def test_livekit_has_no_readable_plan_and_the_interview_has_it(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview):
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=is_running)
        async with worker.server.client.calling("list_dispatches") as server:
            listed = await server.agent_dispatch.list_dispatch(interview.room)
        await end(worker, interview.room)
    (sent,) = [each.metadata for each in listed if each.metadata]
    assert json.loads(sent).keys() == {"interview_id", "protocol", "encrypted"}
    assert PLAN.title not in sent


async def test_a_worker_without_the_key_leaves_the_dispatch_and_the_interview_to_another(
    worker: RunningWorker,
) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview):
        foreign = WorkerKeys("a-key-that-no-worker-of-the-tests-has").seal(interview)
        await worker.dispatch(interview.room, dispatch_metadata(interview, seal=foreign))
        message = f"the worker refused a job: {MetadataLocked()}"
        await worker.logged("job_refused", message=message)
        assert worker.histories(interview.room) == []
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=is_running)
        await end(worker, interview.room)


async def test_a_plain_dispatch_is_held_as_in_version_0_1_0(worker: RunningWorker) -> None:
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview):
        metadata = {"interview_id": interview.interview_id, "plan": interview.plan}
        await worker.dispatch(interview.room, json.dumps(metadata))
        await worker.job(interview.room, until=is_running)
        await end(worker, interview.room)
