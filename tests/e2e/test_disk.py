"""A full, failing or slow disk loses no word: on real processes and a real room."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from states import Outcome, Reason, Status
from tests.support.debian_programs import debian_program
from tests.support.live.coming_back import (
    COMES_BACK,
    LONGEST_ALONE_S,
    alone_after,
    is_over,
    roles_of,
    successor,
)
from tests.support.live.failing_disk import FailingDisk
from tests.support.live.one_question import PLAN, SCRIPT, is_running
from tests.support.live.running_worker import RunningWorker, StartWorker, database_elsewhere
from tests.support.live.scenarios import LONGEST_WAIT_S, talk
from tests.support.live.waiting import PATIENCE_S, answered
from worker.simulation.conversation import hold_conversation
from worker.store.jobs import records_of

if TYPE_CHECKING:
    from states import History
    from tests.support.live.scenarios import Record
    from worker.simulation.livekit_server import LiveKitServer
    from worker.store.interviews import Interview

pytestmark = pytest.mark.usefixtures("voices")


def fill_disk_of(pid: int) -> None:
    """Stop file growth in this process, as on a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))


async def stored_problems(worker: RunningWorker, job: History) -> list[str]:
    """Return the disk problems of the job that the database knows."""
    async with worker.database() as database:
        records = await records_of(database, job.header["job_id"])
    lost = [each for each in records if each.get("resource") == "journal"]
    return [each["reason"] for each in lost if each["status"] == Status.LOST]


async def has_stored(worker: RunningWorker, job: History, problem: str) -> None:
    """Wait until the database has this disk problem of the job, and no other."""

    async def stored() -> bool:
        return await stored_problems(worker, job) == [problem]

    await answered(stored, f"{problem} in the database")


async def assert_all_was_asked_and_answered(worker: RunningWorker, interview: Interview) -> None:
    assert await is_over(worker, interview) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    roles = await roles_of(worker, interview)
    assert [each for each in roles if each != "repeat"] == ["opening", "answer", "closing"]


@pytest.mark.row("B10")
@pytest.mark.xdist_group("returning_worker")
async def test_with_a_full_disk_all_words_reach_the_database_even_of_a_killed_job(
    returning_worker: RunningWorker,
) -> None:
    worker = returning_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        first = await worker.job(interview.room, until=is_running)
        fill_disk_of(first.header["pid"])
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await has_stored(worker, first, "DiskFull")
        killed_s = candidate.now_s
        os.kill(first.header["pid"], signal.SIGKILL)
        # Wait for the successor's voice: it asks again for an answer given before that.
        await alone_after(candidate, killed_s)
        second = await successor(worker, interview, first)
        fill_disk_of(second.header["pid"])
        await hold_conversation(candidate, SCRIPT)
    await assert_all_was_asked_and_answered(worker, interview)


@pytest.mark.rotates
async def test_a_slow_disk_does_not_delay_the_interview(
    start_worker: StartWorker, record_property: Record
) -> None:
    worker = await start_worker(
        {"INTERVIEW_FAULTS": "journal.sync=slow:4", "INTERVIEW_ALLOW_FAULTS": "1"}
    )
    interview = await worker.create(PLAN)
    said = await talk(worker, interview)
    record_property("longest_wait_s", f"{max(said.waits_s):.2f}")
    assert max(said.waits_s) < LONGEST_WAIT_S
    await assert_all_was_asked_and_answered(worker, interview)
    job = await worker.ended_job(interview.room)
    assert "DiskSlow" in await stored_problems(worker, job)


@pytest.mark.rotates
async def test_a_disk_turned_read_only_loses_no_word_and_another_machine_continues(
    livekit_server: LiveKitServer, record_property: Record
) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_elsewhere())
        shared = COMES_BACK | {"DATABASE_URL": database}
        worker = RunningWorker(livekit_server, shared)
        journals = worker.data_dir / "journals"
        journals.mkdir(parents=True)
        disk = stack.enter_context(FailingDisk(journals))
        stack.push_async_callback(worker.discard)
        await worker.start()
        interview = await worker.create(PLAN)
        async with worker.candidate_of(interview) as candidate:
            await worker.send_interviewer(interview)
            first = await worker.job(interview.room, until=is_running)
            disk.fail()
            other = RunningWorker(
                livekit_server, shared | {"INTERVIEW_AGENT_NAME": worker.agent_name}
            )
            stack.push_async_callback(other.discard)
            await other.start()
            await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
            await has_stored(worker, first, "DiskReadOnly")
            killed_s = candidate.now_s
            os.kill(first.header["pid"], signal.SIGKILL)
            alone_s = await alone_after(candidate, killed_s)
            record_property("alone_s", f"{alone_s:.2f}")
            assert alone_s < LONGEST_ALONE_S
            # A worker with an unusable disk takes no job, so the other machine's worker does.
            await successor(other, interview, first)
            await hold_conversation(candidate, SCRIPT)
        await assert_all_was_asked_and_answered(worker, interview)


#: Makes the root and the folders of temporary files read-only, as in a container with a read-only
#: root. Only the worker's own folder can be written.
READ_ONLY_ROOT = """
set -e
for folder in /tmp /var/tmp; do
    mount --bind "$folder" "$folder"
    mount -o remount,bind,ro "$folder"
done
mount -o remount,bind,ro /
own=$(dirname "$INTERVIEW_DATA_DIR")
mount --bind "$own" "$own"
mount -o remount,bind,rw "$own"
cd /
exec "$@"
"""


@pytest.mark.rotates
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
async def test_a_worker_with_a_read_only_root_holds_an_interview(
    livekit_server: LiveKitServer,
) -> None:
    unshare = debian_program("unshare", package="util-linux")
    inside = (str(unshare), "--mount", "sh", "-c", READ_ONLY_ROOT, "sh")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_elsewhere())
        worker = RunningWorker(livekit_server, {"DATABASE_URL": database}, inside=inside)
        stack.push_async_callback(worker.discard)
        await worker.start()
        interview = await worker.create(PLAN)
        await talk(worker, interview)
        job = await worker.ended_job(interview.room)
        assert (job.outcome, job.reason) == (Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        assert (worker.data_dir / "tmp").is_dir()
