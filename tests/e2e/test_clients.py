"""Clients of candidates that differ from a browser with one tab, on a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from livekit import api, rtc

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.live.chat import Chat
from tests.support.live.coming_back import has_asked, roles_of
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, place_of, word_error_rate
from tests.support.live.one_question import ANSWER, PLAN, SCRIPT, is_running
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.interview.dialogue.wording.lines import lines_of
from worker.simulation.conversation import hold_conversation
from worker.simulation.room_candidate import Candidate

if TYPE_CHECKING:
    from states import History
    from tests.support.live.running_worker import RunningWorker
    from worker.store.interviews import Interview

pytestmark = [pytest.mark.usefixtures("voices"), pytest.mark.xdist_group("impatient_worker")]

MICROPHONE_OFF = lines_of("en").lines["microphone"]
PRE_CONNECT = "lk.agent.pre-connect-audio-buffer"


def token_of(worker: RunningWorker, interview: Interview, identity: str, kind: str) -> str:
    """Return a token for a participant of this kind."""
    grants = api.VideoGrants(room_join=True, room=interview.room)
    token = api.AccessToken(worker.server.api_key, worker.server.api_secret)
    token = token.with_identity(identity).with_grants(grants)
    return (token.with_kind("sip") if kind == "sip" else token).to_jwt()


def answer_in(job: History) -> str:
    """Return the candidate's only answer."""
    (answer,) = (turn.text for turn in job.turns if turn.speaker == "candidate")
    return answer


async def assert_answered(worker: RunningWorker, interview: Interview) -> None:
    """Assert that the job has completed the interview with the spoken answer."""
    job = await worker.ended_job(interview.room)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert word_error_rate(ANSWER, answer_in(job)) <= MOST_WORD_ERRORS


async def test_a_candidate_who_opens_a_second_tab_hears_the_question_there(
    impatient_worker: RunningWorker,
) -> None:
    worker = impatient_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as first_tab:
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=has_asked)
        await first_tab.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        async with worker.candidate_of(interview) as second_tab:
            await first_tab.wait_until_disconnected(timeout_s=PATIENCE_S)
            await hold_conversation(second_tab, SCRIPT)
            heard = await heard_by(second_tab)
    await assert_answered(worker, interview)
    assert place_of(PLAN.questions[0].text, heard) is not None
    assert await roles_of(worker, interview) == ["opening", "repeat", "answer", "closing"]


async def test_a_candidate_without_a_microphone_reads_that_it_is_off_and_types(
    impatient_worker: RunningWorker,
) -> None:
    worker = impatient_worker
    interview = await worker.create(PLAN)
    token = worker.server.client.candidate_token(
        room=interview.room, identity=interview.candidate_identity
    )
    candidate = Candidate(worker.server.url, token, microphone=False)
    chat = Chat(candidate)
    async with candidate:
        await worker.send_interviewer(interview)
        await eventually(lambda: MICROPHONE_OFF in chat.texts, "the notice in the chat")
        await candidate.send_text("Hello.")
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        await candidate.send_text(ANSWER)
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
    job = await worker.ended_job(interview.room)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    typed = [turn.text for turn in job.turns if turn.speaker == "candidate"]
    assert typed == ["Hello.", ANSWER]
    assert any(fault.get("error") == "MicrophoneOff" for fault in job.faults)


@pytest.mark.rotates
async def test_a_candidate_on_the_telephone_is_heard_and_may_press_keys(
    impatient_worker: RunningWorker,
) -> None:
    worker = impatient_worker
    interview = await worker.create(PLAN, identity="sip_+4930123456")
    token = token_of(worker, interview, interview.candidate_identity, "sip")
    async with Candidate(worker.server.url, token) as candidate:
        await worker.send_interviewer(interview)
        job = await worker.job(interview.room, until=is_running)
        assert job.path
        for _ in range(5):
            await candidate._room.local_participant.publish_dtmf(code=1, digit="1")
        await hold_conversation(candidate, SCRIPT)
    await assert_answered(worker, interview)
    assert not worker.log(event="data_right_taken", room=interview.room)


@pytest.mark.rotates
async def test_a_candidate_who_joins_after_an_observer_hears_the_whole_greeting(
    impatient_worker: RunningWorker,
) -> None:
    worker = impatient_worker
    interview = await worker.create(PLAN)
    observer, hears = rtc.Room(), asyncio.Event()
    observer.on("track_subscribed", lambda *_: hears.set())
    await observer.connect(worker.server.url, token_of(worker, interview, "observer", "standard"))
    await worker.send_interviewer(interview)
    async with asyncio.timeout(PATIENCE_S):
        await hears.wait()
    await worker.job(interview.room, until=is_running)
    async with worker.candidate_of(interview) as candidate:
        await observer.local_participant.send_text("I am only watching.", topic="lk.chat")
        await hold_conversation(candidate, SCRIPT)
        heard = await heard_by(candidate)
    await observer.disconnect()
    await assert_answered(worker, interview)
    assert place_of(PLAN.opening, heard) is not None


@pytest.mark.rotates
async def test_audio_from_before_the_connection_is_left_out_and_the_answer_is_heard(
    impatient_worker: RunningWorker,
) -> None:
    worker = impatient_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await worker.job(interview.room, until=is_running)
        published = candidate._published
        assert published is not None
        # As the starter applications of LiveKit send it.
        writer = await candidate._room.local_participant.stream_bytes(
            name="pre-connect-audio-buffer",
            topic=PRE_CONNECT,
            attributes={"trackId": published.sid, "sampleRate": "48000", "channels": "1"},
        )
        await writer.write(b"\0" * 96_000)
        await writer.aclose()
        await hold_conversation(candidate, SCRIPT)
    await assert_answered(worker, interview)
