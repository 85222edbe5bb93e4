"""What the main process gives a job: plain metadata, a token for its room, its interview's key."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest
from livekit import api
from livekit.agents.ipc.proto import StartJobRequest
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent, models

from tests.support.virtual.job_parts import settings_in
from worker.continuity.metadata_cipher import InterviewKey, MetadataLocked, WorkerKeys
from worker.livekit_api.job_access import METADATA_KEY, ROOM_TOKEN
from worker.livekit_api.room_options import RoomOptions
from worker.server.job_rights import JobRequests, JobRights

if TYPE_CHECKING:
    from pathlib import Path

KEY: Final = "a-key"
SECRET: Final = "a-secret-of-at-least-thirty-two-characters"
PLAIN: Final = json.dumps({"interview_id": "iv-1", "protocol": 1, "plan": {"title": "t"}})


def rights_in(folder: Path, **variables: str) -> JobRights:
    given = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, **variables}
    return JobRights(settings_in(folder, **given))


def job_with(metadata: str) -> agent.Job:
    return agent.Job(id="AJ_1", room=models.Room(name="room-1"), metadata=metadata)


def room_of(token: str) -> str:
    claims = api.TokenVerifier(KEY, SECRET).verify(token)
    assert claims.video is not None
    assert claims.video.room_admin
    return claims.video.room


def test_a_job_gets_the_plain_metadata_and_a_token_for_its_own_room(tmp_path: Path) -> None:
    job = job_with(WorkerKeys(SECRET).for_interview("room-1", "iv-1").encrypt(PLAIN))
    rights_in(tmp_path).equip(job)
    assert job.metadata == PLAIN
    assert room_of(job.attributes[ROOM_TOKEN]) == "room-1"


def test_a_job_can_encrypt_the_dispatch_of_its_successor(tmp_path: Path) -> None:
    job = job_with(PLAIN)
    rights_in(tmp_path).equip(job)
    key = InterviewKey.from_text(job.attributes[METADATA_KEY], room="room-1", interview_id="iv-1")
    following = job_with(key.encrypt(PLAIN))
    rights_in(tmp_path).equip(following)
    assert following.metadata == PLAIN


def test_no_secret_of_the_workers_is_in_what_a_job_gets(tmp_path: Path) -> None:
    own = "a-key-of-the-workers-with-enough-characters"
    job = job_with(PLAIN)
    rights_in(tmp_path, INTERVIEW_METADATA_KEY=own).equip(job)
    for secret in (SECRET, own):
        assert secret.encode() not in job.SerializeToString()


def test_the_framework_hands_the_rights_to_the_jobs_process(tmp_path: Path) -> None:
    job = job_with(PLAIN)
    rights_in(tmp_path).equip(job)
    request = StartJobRequest()
    request.running_job = RunningJobInfo(
        accept_arguments=JobAcceptArguments(name="", identity="", metadata=""),
        job=job,
        url="",
        token="",
        worker_id="",
        fake_job=False,
    )
    received = _sent(request).running_job.job
    assert received.metadata == PLAIN
    assert dict(received.attributes) == dict(job.attributes)
    assert received.attributes.get(ROOM_TOKEN, "")
    assert received.attributes.get("another", "") == ""


def _sent(request: StartJobRequest) -> StartJobRequest:
    written = io.BytesIO()
    request.write(written)
    read = StartJobRequest()
    read.read(io.BytesIO(written.getvalue()))
    return read


@pytest.mark.parametrize("metadata", ["", "no JSON", '{"plan": {}}'])
def test_a_job_without_an_interview_gets_no_key(tmp_path: Path, metadata: str) -> None:
    job = job_with(metadata)
    job.attributes[METADATA_KEY] = "of the sender"
    rights_in(tmp_path).equip(job)
    assert job.metadata == metadata
    assert job.attributes[METADATA_KEY] == ""
    assert room_of(job.attributes[ROOM_TOKEN]) == "room-1"


def test_metadata_of_another_key_gives_no_rights(tmp_path: Path) -> None:
    job = job_with(WorkerKeys("x" * 32).for_interview("room-1", "iv-1").encrypt(PLAIN))
    with pytest.raises(MetadataLocked):
        rights_in(tmp_path).equip(job)
    assert not job.attributes


# --- rotation -------------------------------------------------------------------------------------

NEXT: Final = "another-secret-of-thirty-two-characters"
OPTIONS: Final = RoomOptions(empty_timeout_s=390, departure_timeout_s=120, most_people=4)


def test_a_job_that_began_before_a_rotation_can_still_dispatch_its_successor(
    tmp_path: Path,
) -> None:
    rights = rights_in(tmp_path)
    job = job_with(PLAIN)
    rights.equip(job)
    key = InterviewKey.from_text(job.attributes[METADATA_KEY], room="room-1", interview_id="iv-1")
    rights.use(settings_in(tmp_path, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=NEXT))
    # Any other secret that is rotated leaves it so.
    rights.use(settings_in(tmp_path, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=NEXT))
    following = job_with(key.encrypt(PLAIN))
    rights.equip(following)
    assert following.metadata == PLAIN


def test_after_a_rotation_a_job_gets_a_token_and_a_key_of_the_new_secret(tmp_path: Path) -> None:
    rights = rights_in(tmp_path)
    rights.use(settings_in(tmp_path, LIVEKIT_API_KEY="next", LIVEKIT_API_SECRET=NEXT))
    job = job_with(PLAIN)
    rights.equip(job)
    assert api.TokenVerifier("next", NEXT).verify(job.attributes[ROOM_TOKEN]).video is not None
    key = InterviewKey.from_text(job.attributes[METADATA_KEY], room="room-1", interview_id="iv-1")
    assert WorkerKeys(NEXT).decrypt(key.encrypt(PLAIN), room="room-1") == PLAIN


@pytest.mark.parametrize("secret", [SECRET, NEXT])
def test_after_a_rotation_the_token_of_a_job_may_be_of_either_secret(
    secret: str, tmp_path: Path
) -> None:
    """The connection that was made before the rotation stays open."""
    rights = rights_in(tmp_path)
    rights.use(settings_in(tmp_path, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=NEXT))
    changed = rights.job_token(api.AccessToken(KEY, secret).to_jwt(), OPTIONS)
    config = api.TokenVerifier(KEY, secret).verify(changed).room_config
    assert config is not None
    assert config.empty_timeout == 390


def test_the_token_of_an_unknown_secret_stays_as_it_is(tmp_path: Path) -> None:
    token = api.AccessToken(KEY, NEXT).to_jwt()
    assert rights_in(tmp_path).job_token(token, OPTIONS) == token


# --- requests of a running job --------------------------------------------------------------------


class Process:
    """The parts of a job's process that its rights use."""

    def __init__(self, room: str | None) -> None:
        job = SimpleNamespace(room=SimpleNamespace(name=room))
        self.running_job = None if room is None else SimpleNamespace(job=job)
        self._inference_executor: Any = None


class Pool:
    """A pool that has created one process."""

    def __init__(self, proc: Process) -> None:
        self._proc = proc

    def on(self, event: str, call: Any) -> None:
        assert event == "process_created"
        call(self._proc)


def requests_of(rights: JobRights, proc: Process) -> JobRequests:
    rights.watch(Pool(proc))  # type: ignore[arg-type]
    assert isinstance(proc._inference_executor, JobRequests)
    return proc._inference_executor


async def test_a_process_gets_tokens_for_the_room_of_its_job_whatever_it_asks_for(
    tmp_path: Path,
) -> None:
    requests = requests_of(rights_in(tmp_path), Process("room-1"))
    token = await requests.do_inference(ROOM_TOKEN, b"room-2")
    assert token is not None
    assert room_of(token.decode()) == "room-1"


async def test_a_process_without_a_job_gets_no_token(tmp_path: Path) -> None:
    requests = requests_of(rights_in(tmp_path), Process(None))
    with pytest.raises(RuntimeError, match="has no job"):
        await requests.do_inference(ROOM_TOKEN, b"")


async def test_other_requests_are_served_as_before(tmp_path: Path) -> None:
    class Others:
        async def do_inference(self, method: str, data: bytes) -> bytes | None:
            return method.encode() + data

    proc = Process("room-1")
    with pytest.raises(RuntimeError, match="no inference executor"):
        await requests_of(rights_in(tmp_path), proc).do_inference("eou", b"1")
    proc._inference_executor = Others()
    assert await requests_of(rights_in(tmp_path), proc).do_inference("eou", b"1") == b"eou1"
