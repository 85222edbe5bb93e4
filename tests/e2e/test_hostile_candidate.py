"""A candidate who sends far too much, in a running interview: the job stays small and completes."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
from livekit import api

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.live.attack import CHOSEN, Attack
from tests.support.live.heard import MOST_WORD_ERRORS, word_error_rate
from tests.support.live.one_question import ALL_THE_WAY, ANSWER, is_running
from tests.support.live.one_question import PLAN as ONE_QUESTION
from tests.support.live.waiting import PATIENCE_S, answered, eventually
from tests.support.virtual.async_steps import end
from worker.demo.script import CandidateScript
from worker.interview.plan.plan import Question
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    from states import History
    from tests.support.live.running_worker import RunningWorker
    from tests.support.live.scenarios import Record
    from worker.simulation.room_candidate import Candidate
    from worker.store.interviews import Interview

# The attack takes a processor of the machine, which another scenario beside it would lack.
pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.alone]

NEXT = Question(
    id="next-week",
    text="And what will you learn next week?",
    follow_ups_allowed=0,
    thinking_pause_s=1.2,
)
PLAN = replace(ONE_QUESTION, questions=(*ONE_QUESTION.questions, NEXT))
SCRIPT = CandidateScript(PLAN, answers={"last-week": ANSWER, "next-week": ANSWER})

#: Limit of a job's growth during the attack, in bytes, and of the time to take the right, in
#: seconds.
MOST_GROWTH = 64 << 20
TAKEN_WITHIN_S = 1.0
#: Limit of the time to take the right because of data of which the SDK reports no event. The job
#: reads WebRTC's figures once a second, and finds such data at the second reading.
_UNSEEN_WITHIN_S = 5.0
#: Seconds for which an attack goes on after the loss of the right. The candidate cannot be heard
#: meanwhile, because the attack fills its connection, and the interview ends after 20 s of silence
#: (`IMPATIENCE`).
_GOES_ON_S = 1.5


async def largest_growth(pid: int, grown: list[int]) -> None:
    """Append the growth of a process's memory in bytes, every 50 ms, until cancelled."""
    process = psutil.Process(pid)
    before = process.memory_info().rss
    while True:
        grown.append(process.memory_info().rss - before)
        await asyncio.sleep(0.05)


class Scene:
    """An interview whose candidate attacks after the first question."""

    def __init__(self, worker: RunningWorker, interview: Interview) -> None:
        self.worker = worker
        self.interview = interview
        #: Growth of the job's memory during the attack, in bytes.
        self.grown: list[int] = []
        #: Seconds from the begin of the attack to the loss of the right to publish data, and to the
        #: end of the attack.
        self.lost_after_s = 0.0
        self.ended_after_s = 0.0

    async def attack(
        self, candidate: Candidate, chosen: Callable[[Attack], Coroutine[Any, Any, None]]
    ) -> None:
        """Attack the running job until shortly after the loss of the right to publish data."""
        await self.worker.send_interviewer(self.interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        job = await self.worker.job(self.interview.room, until=is_running)
        watching = asyncio.create_task(largest_growth(job.header["pid"], self.grown))
        attack = Attack(candidate)
        began = asyncio.get_running_loop().time()
        attacking = asyncio.create_task(chosen(attack))
        try:
            await answered(self._has_lost_the_right, "the loss of the right to publish data")
            self.lost_after_s = asyncio.get_running_loop().time() - began
            await asyncio.wait((attacking,), timeout=_GOES_ON_S)
        finally:
            await end(attacking, watching)
            await attack.aclose()
        await eventually(lambda: self._receives(candidate), "the candidate's own microphone")
        self.ended_after_s = asyncio.get_running_loop().time() - began

    async def assert_unharmed(self, record_property: Record) -> History:
        """Assert that the job stayed small, took the right in time, and logged no chosen word."""
        job = await self.worker.ended_job(self.interview.room)
        taken = await self.worker.logged("data_right_taken", room=self.interview.room)
        record_property("grown_mb", round(max(self.grown) / 2**20, 1))
        record_property("taken_after_s", taken["after_s"])
        record_property("lost_after_s", round(self.lost_after_s, 1))
        record_property("ended_after_s", round(self.ended_after_s, 1))
        assert taken["after_s"] < TAKEN_WITHIN_S
        assert max(self.grown) < MOST_GROWTH
        assert_path(job, *ALL_THE_WAY)
        assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
        assert CHOSEN not in self.worker.log_path.read_text()
        return job

    async def answers(self) -> list[tuple[str, bool]]:
        """Return the candidate's answers, each with whether it was typed."""
        shown = await self.worker.command_json("interviews", "show", self.interview.interview_id)
        return [
            (turn["text"], turn["typed"])
            for turn in shown["turns"]
            if turn["speaker"] == "candidate"
        ]

    def _receives(self, candidate: Candidate) -> bool:
        """Return whether the job receives the candidate's own microphone, not one of the attack."""
        published = candidate._published
        received = self.worker.log(event="microphone_received", room=self.interview.room)
        return published is not None and received[-1]["track"] == published.sid

    async def _has_lost_the_right(self) -> bool:
        about = api.RoomParticipantIdentity(
            room=self.interview.room, identity=self.interview.candidate_identity
        )
        async with self.worker.server.client.calling("get_participant") as server:
            rights = (await server.room.get_participant(about)).permission
        return rights.can_publish and not rights.can_publish_data


@asynccontextmanager
async def attacked(
    worker: RunningWorker, chosen: Callable[[Attack], Coroutine[Any, Any, None]]
) -> AsyncIterator[tuple[Scene, Candidate]]:
    """Yield an interview after an attack, and its candidate, who leaves at the end."""
    scene = Scene(worker, await worker.create(PLAN))
    async with worker.candidate_of(scene.interview) as candidate:
        await scene.attack(candidate, chosen)
        yield scene, candidate


@pytest.mark.rotates
async def test_a_job_that_gets_too_much_data_stays_small_and_hears_the_answer(
    impatient_worker: RunningWorker, record_property: Record
) -> None:
    async with attacked(impatient_worker, Attack.much_of_everything) as (scene, candidate):
        await hold_conversation(candidate, SCRIPT)
    await scene.assert_unharmed(record_property)
    answers = await scene.answers()
    # The long stream is one typed message, if its start was read before the right was lost.
    assert [typed for text, typed in answers if CHOSEN in text] in ([], [True])
    spoken, was_typed = answers[-1]
    assert not was_typed
    assert word_error_rate(ANSWER, spoken) <= MOST_WORD_ERRORS


@pytest.mark.rotates
async def test_a_job_that_gets_hundreds_of_typed_messages_reads_a_few_and_completes(
    impatient_worker: RunningWorker, record_property: Record
) -> None:
    async with attacked(impatient_worker, Attack.many_messages) as (scene, candidate):
        await hold_conversation(candidate, SCRIPT)
    job = await scene.assert_unharmed(record_property)
    typed = [(text, was_typed) for text, was_typed in await scene.answers() if CHOSEN in text]
    assert typed
    assert all(was_typed and text.isprintable() for text, was_typed in typed)
    # At most ten messages at once, then one in two seconds, are answers.
    read = sum(text.count(CHOSEN) for text, _ in typed)
    assert read <= 10 + math.ceil(scene.lost_after_s / 2)
    assert any(fault.get("error") == "TooManyMessages" for fault in job.faults)


@pytest.mark.rotates
async def test_a_job_that_gets_remote_calls_without_end_takes_the_right_and_completes(
    impatient_worker: RunningWorker, record_property: Record
) -> None:
    async with attacked(impatient_worker, Attack.remote_calls) as (scene, candidate):
        await hold_conversation(candidate, SCRIPT)
    await scene.assert_unharmed(record_property)
    assert scene.lost_after_s < _UNSEEN_WITHIN_S
    spoken, was_typed = (await scene.answers())[-1]
    assert not was_typed
    assert word_error_rate(ANSWER, spoken) <= MOST_WORD_ERRORS
