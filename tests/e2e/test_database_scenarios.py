"""The database is down, goes down, comes back, or stalls: on real processes, through a proxy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from heard import MOST_WORD_ERRORS, heard_by, word_error_rate
from one_question import ALL_THE_WAY, ANSWER, NEVER_STARTED, PLAN, SCRIPT
from running_worker import PATIENCE_S, RunningWorker, eventually
from stand_ins.tcp_proxy import TcpProxy

from states import History, Outcome, Reason, Status
from states.testing import assert_condition, assert_outcome, assert_path
from worker.demo.conversation import hold_conversation
from worker.demo.voice import LocalVoice
from worker.speech import local_models
from worker.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from running_worker import StartWorker

    from worker.store.interviews import Interview

pytestmark = [pytest.mark.real_server, pytest.mark.e2e, pytest.mark.timeout(300)]

DEGRADED = [state.replace("READY", "DEGRADED") for state in ALL_THE_WAY]


@pytest.fixture(autouse=True)
def models() -> None:
    """Before anybody speaks: loading a model holds up the candidate's own voice."""
    local_models.preload(stt=True, tts=True)


class Behind:
    """A worker whose database is behind a proxy; the test itself goes straight to it."""

    def __init__(self, worker: RunningWorker, proxy: TcpProxy) -> None:
        self.worker = worker
        self.proxy = proxy

    def away(self) -> None:
        """As where the server has died: no connection stands, none can be made."""
        self.proxy.refuse()
        self.proxy.cut()

    async def kept(self, interview: Interview) -> dict[str, list[str]]:
        """What each side has said, as the database has it."""
        shown = await self.worker.command_json("interviews", "show", interview.interview_id)
        said: dict[str, list[str]] = {"candidate": [], "interviewer": []}
        for turn in shown["turns"]:
            said[turn["speaker"]].append(turn["text"])
        return said


@pytest.fixture
async def behind(start_worker: StartWorker, tmp_path: Path) -> AsyncIterator[Behind]:
    async with (
        await EmbeddedPostgres.start(tmp_path / "postgres") as postgres,
        TcpProxy(_socket(postgres.url)) as proxy,
    ):
        url = f"postgresql://postgres@{proxy.host}:{proxy.port}/postgres"
        worker = await start_worker({"DATABASE_URL": url, "INTERVIEW_EMBEDDED": "0"})
        # The test's own commands and records do not go through the proxy.
        worker.settings["DATABASE_URL"] = postgres.url
        yield Behind(worker, proxy)


def _socket(url: str) -> Path:
    query = parse_qs(urlsplit(url).query)
    return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"


async def hold(worker: RunningWorker, interview: Interview) -> None:
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await hold_conversation(candidate, SCRIPT)


def last_statuses(job: History) -> list[tuple[Status, str]]:
    return [
        (change.status, change.reason)
        for change in job.condition_changes
        if change.resource == "database" and change.status is not Status.PENDING
    ]


async def test_down_before_the_job_the_interview_is_held_from_the_dispatchs_plan_and_kept(
    behind: Behind,
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)
    behind.away()

    await hold(worker, interview)
    (job,) = await eventually(lambda: worker.histories(interview.room), "the job's journal")
    assert_condition(job, "database", Status.LOST, "DatabaseUnavailable")
    await worker.logged("job process ended")
    await behind.proxy.heal()

    job = await worker.ended_job(interview.room)
    assert_path(job, *DEGRADED)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    said = await behind.kept(interview)
    assert word_error_rate(ANSWER, " ".join(said["candidate"])) <= MOST_WORD_ERRORS
    assert said["interviewer"][-1] == PLAN.closing


async def test_down_before_the_job_and_no_plan_in_the_dispatch_there_is_an_apology(
    behind: Behind,
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)
    behind.away()

    async with worker.candidate_of(interview) as candidate:
        metadata = json.dumps({"interview_id": interview.interview_id})
        await worker.dispatch(interview.room, metadata)
        await candidate.wait_for_interviewer(timeout_s=PATIENCE_S)
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
        assert "sorry" in await heard_by(candidate)

    await behind.proxy.heal()
    job = await worker.ended_job(interview.room)
    assert_path(job, *NEVER_STARTED)
    assert_outcome(job, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED)
    assert job.exit_code == 1


async def test_going_down_in_the_middle_and_coming_back_costs_neither_word_nor_breath(
    behind: Behind,
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)

    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        behind.away()
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        spoken = await candidate.say(*await LocalVoice().render(ANSWER))
        answered_s = await candidate.wait_for_sound(since_s=spoken.end_s, timeout_s=PATIENCE_S)
        await behind.proxy.heal()
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)

    assert answered_s - spoken.end_s < 10  # nobody waited for the database
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    said = await behind.kept(interview)
    assert [turn.text for turn in job.turns if turn.speaker == "candidate"] == said["candidate"]
    assert said["interviewer"][-1] == PLAN.closing


async def test_a_database_that_stalls_while_everything_loads_is_taken_up_when_it_answers(
    behind: Behind,
) -> None:
    worker = behind.worker
    interview = await worker.create(PLAN)
    behind.proxy.stall()

    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_for_sound(timeout_s=PATIENCE_S)
        await behind.proxy.heal()
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await candidate.say(*await LocalVoice().render(ANSWER))
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)

    job = await worker.ended_job(interview.room)
    assert_path(job, *DEGRADED)
    assert last_statuses(job)[0][0] is Status.LOST
    assert last_statuses(job)[-1] == (Status.READY, "Shipping")
    said = await behind.kept(interview)
    assert word_error_rate(ANSWER, " ".join(said["candidate"])) <= MOST_WORD_ERRORS
