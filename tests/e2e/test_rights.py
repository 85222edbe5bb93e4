"""A job has the rights of its own room and interview, on a real server and in a real process."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support.live.one_question import IMPATIENCE, PLAN, is_running, new_room
from tests.support.live.running_worker import RunningWorker, StartWorker, database_elsewhere
from tests.support.live.waiting import eventually
from worker.continuity.dispatch_metadata import dispatch_metadata
from worker.continuity.metadata_cipher import MetadataLocked, WorkerKeys
from worker.livekit_api.errors import LiveKitKeyRefused
from worker.livekit_api.room_client import LiveKitRoomClient, room_client, room_token
from worker.store.connection import APPLICATION
from worker.store.database import Database
from worker.store.interviews import create_interview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from worker.simulation.livekit_server import LiveKitServer

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("impatient_worker")]

#: The roles of jobs that are connected.
_ROLES_OF_JOBS = (
    "SELECT DISTINCT usename FROM pg_stat_activity"
    " WHERE application_name = $1 AND usename LIKE 'interview\\_jobs\\_%'"
)
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
            assert b"postgresql://" not in shown
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


# --- the database of a job ------------------------------------------------------------------------


@pytest.mark.rotates
async def test_with_a_url_from_a_file_a_job_has_a_role_of_its_own_also_after_a_rotation(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    file = tmp_path / "url"
    async with database_elsewhere() as url, opened(url) as database:
        file.write_text(url)
        worker = await start_worker({**IMPATIENCE, "DATABASE_URL_FILE": str(file)})
        await worker.logged("job_role_used")
        await holds_with_a_role_of_its_own(worker, database)
        await database.fetch("ping", "CREATE ROLE another LOGIN SUPERUSER")
        await asyncio.to_thread(file.write_text, url.replace("postgres@", "another@"))
        await worker.logged("secrets_read_again")
        await eventually(lambda: len(worker.log(event="job_role_used")) == 2, "another trial")
        first, second = (line["message"] for line in worker.log(event="job_role_used"))
        assert first == second
        await holds_with_a_role_of_its_own(worker, database)
        assert worker.log(event="job_role_missing") == []
        assert await worker.stop() == 0


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    try:
        yield database
    finally:
        await database.aclose()


async def holds_with_a_role_of_its_own(worker: RunningWorker, database: Database) -> None:
    """Begin an interview; check how its job is connected, and end it."""
    interview = await create_interview(
        database, interview_id=uuid4().hex[:12], plan=PLAN.to_json(), candidate_name="Ada"
    )
    await worker.server.client.create_room(interview.room)
    async with worker.candidate_of(interview):
        await worker.send_interviewer(interview)
        job = await worker.job(interview.room, until=is_running)
        shown = await asyncio.to_thread(environment_of, int(job.header["pid"]))
        assert b"postgresql://" not in shown
        assert b"DATABASE_URL_FILE=/" not in shown
        roles = await database.fetch("ping", _ROLES_OF_JOBS, APPLICATION)
        assert len(roles) == 1
        await end(worker, interview.room)
