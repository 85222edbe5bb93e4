"""What a job's process takes from the job that it is given."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.support.virtual.job_parts import fake_context, settings_in
from worker.job import entrypoint
from worker.livekit_api.job_access import JOB_ACCESS, METADATA_KEY, ROOM_TOKEN

if TYPE_CHECKING:
    from pathlib import Path


def test_the_access_of_a_job_comes_with_the_job(tmp_path: Path) -> None:
    ctx = fake_context()
    ctx.job.attributes.update({ROOM_TOKEN: "token-of-room-1", METADATA_KEY: "00ff"})
    settings = settings_in(tmp_path, LIVEKIT_URL="ws://livekit:7880")
    access = entrypoint._access_of(ctx, settings)
    assert (access.livekit.url, access.livekit.token()) == ("ws://livekit:7880", "token-of-room-1")
    assert (access.room, access.metadata_key) == ("room-1", "00ff")
    assert ctx.proc.userdata[JOB_ACCESS] is access


def test_a_job_that_a_worker_gave_no_rights_has_none(tmp_path: Path) -> None:
    access = entrypoint._access_of(fake_context(), settings_in(tmp_path))
    assert (access.livekit.token(), access.metadata_key) == ("", "")


def test_only_the_missing_recording_of_livekit_cloud_is_left_out_of_the_log() -> None:
    """The framework reports it for each job, with a traceback, and no job makes a recording."""

    def reported(message: str) -> bool:
        record = logging.LogRecord("livekit.agents", logging.ERROR, "", 1, message, None, None)
        return entrypoint._is_reported(record)

    assert not reported("failed to prepare the cloud trace pipeline")
    assert reported("failed to upload the session report to LiveKit Cloud")
