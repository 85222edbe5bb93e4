"""An interviewer that has to hand over: its words are stored, and it starts nothing new."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from livekit.agents import StopResponse, UserInputTranscribedEvent

from tests.support.virtual.interview_parts import LONG
from tests.unit.worker.interview.conversation.test_interviewer import PLAN, Interview, start
from worker.interview.orchestrator import Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def interview() -> AsyncIterator[Interview]:
    interview = await start(PLAN)
    yield interview
    await interview.session.aclose()


def understood(text: str, *, final: bool = True) -> UserInputTranscribedEvent:
    return UserInputTranscribedEvent(transcript=text, is_final=final)


async def test_an_answer_after_the_stop_is_recorded_and_gets_no_reply(
    interview: Interview,
) -> None:
    await interview.said()
    await interview.agent.come_to_a_stop(0.0)
    with pytest.raises(StopResponse):
        await interview.answer(LONG)
    assert interview.turns.get_nowait()["text"] == LONG
    assert interview.orchestrator.next_move().role is Role.QUESTION


async def test_a_typed_answer_after_the_stop_is_recorded_and_gets_no_reply(
    interview: Interview,
) -> None:
    await interview.said()
    await interview.agent.come_to_a_stop(0.0)
    await interview.agent.on_text(LONG)
    assert interview.turns.get_nowait()["text"] == LONG
    assert interview.session.current_speech is None


async def test_the_stop_waits_until_a_finished_answer_becomes_a_turn(interview: Interview) -> None:
    await interview.said()
    interview.agent.answers.half.hear(understood(LONG))
    stopping = asyncio.create_task(interview.agent.come_to_a_stop(60.0))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not stopping.done()
    with pytest.raises(StopResponse):
        await interview.answer(LONG)
    await stopping
    await interview.agent.answers.keep_half()
    assert [interview.turns.get_nowait()["interrupted"]] == [False]
    assert interview.turns.empty()


@pytest.mark.looptime
async def test_an_answer_that_outlasts_the_stop_is_recorded_as_interrupted(
    interview: Interview,
) -> None:
    await interview.said()
    interview.agent.answers.half.hear(understood(LONG, final=False))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await interview.agent.come_to_a_stop(4.0)
    assert loop.time() - began == pytest.approx(4.0, abs=0.1)
    await interview.agent.answers.keep_half()
    turn = interview.turns.get_nowait()
    assert (turn["text"], turn["interrupted"]) == (LONG, True)


async def test_the_stop_waits_for_the_end_of_the_sentence(interview: Interview) -> None:
    waited: list[float] = []

    async def over(*, longest_s: float) -> bool:
        waited.append(longest_s)
        return False

    interview.agent.sentence_over = over
    await interview.agent.come_to_a_stop(4.0)
    assert waited == [4.0]


async def test_the_interview_is_almost_done_once_the_closing_is_spoken(
    interview: Interview,
) -> None:
    agent = interview.agent
    turns: list[dict[str, Any]] = []
    while agent.next_role is not Role.CLOSING:
        assert not agent.almost_done
        turns.append(await interview.said())
        await interview.answer(LONG)
    agent.floor.give()
    assert not agent.almost_done  # the candidate may still have something to say
    agent.floor.take()
    assert agent.almost_done
    await interview.said()
    assert agent.almost_done
