"""A language model's wording of a move, and the limit on waiting for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents import APIConnectionError, APIStatusError, llm

from tests.support.virtual.async_steps import end_what_is_left
from tests.support.virtual.interview_parts import LONG, Talk, plan_of, question
from tests.support.virtual.model_parts import ModelStandIn, Reply, fails, says, says_for_ever
from worker.interview.llm.phrasing import WordsRefused
from worker.interview.llm.reply import MAX_REPLY, ModelWords
from worker.interview.orchestrator import Move, Role, leeway, next_move

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.interview.plan.plan import Plan

pytestmark = pytest.mark.looptime

PLAN = plan_of(question(0, allowed=1), question(1))
FIRST_S, ALL_S = 1.5, 3.0
CLEAR = "Thank you, that is clear."


async def find(model: llm.LLM[Any], plan: Plan = PLAN) -> Move:
    talk = Talk().asked(next_move(plan, [])).answered(LONG)
    words = ModelWords(model, first_word_s=FIRST_S, reply_s=ALL_S)
    return await words.find(plan, leeway(plan, talk.turns))


async def refused(reply: Reply, plan: Plan = PLAN) -> str:
    model = ModelStandIn(reply)
    with pytest.raises(WordsRefused) as refusal:
        await find(model, plan)
    assert refusal.value.__cause__ is None, "it may quote anybody"
    return refusal.value.reason


async def test_a_reply_in_pieces_is_one_utterance() -> None:
    model = ModelStandIn(says("ACK", 0.5, "NOWLEDGE: Thank", 0.5, f" {CLEAR[6:]}\n"))
    move = await find(model)
    assert move.text == f"{CLEAR} {PLAN.questions[1].text}"
    ((system, user),) = model.asked
    assert PLAN.questions[0].text in system
    assert LONG in user


async def test_a_follow_up_of_the_models_is_one_in_the_plan() -> None:
    move = await find(ModelStandIn(says("FOLLOW-UP: Which part of the matter was long?")))
    assert move.role is Role.FOLLOW_UP


@pytest.mark.parametrize("pieces", [(10.0, "ACKNOWLEDGE: Thank you."), ("", " ", 10.0, "late")])
async def test_a_first_word_that_is_late_is_not_waited_for(pieces: tuple[str | float, ...]) -> None:
    began = asyncio.get_running_loop().time()
    assert await refused(says(*pieces)) == "FirstWordLate"
    assert asyncio.get_running_loop().time() - began == pytest.approx(FIRST_S)


async def test_a_reply_that_does_not_come_to_its_end_is_not_waited_for() -> None:
    began = asyncio.get_running_loop().time()
    assert await refused(says_for_ever("o", 0.5)) == "ReplyLate"
    assert asyncio.get_running_loop().time() - began == pytest.approx(ALL_S)
    await end_what_is_left()


async def test_a_reply_that_is_too_long_is_not_read_to_its_end() -> None:
    model = ModelStandIn(says_for_ever("well " * 10))
    with pytest.raises(WordsRefused, match="TooLong"):
        await find(model)
    assert model.ended == 1
    assert MAX_REPLY < 10_000


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (APIStatusError("Ada's key", status_code=401), "KeyRefused"),
        (APIStatusError("slow down", status_code=429), "RateLimited"),
        (APIStatusError("oh", status_code=500), "ProviderFailed"),
        (APIConnectionError(), "ProviderAway"),
        (ValueError("what Ada said"), "ValueError"),
    ],
)
async def test_a_model_that_fails_is_named_without_a_word_of_what_it_said(
    error: Exception, reason: str
) -> None:
    assert await refused(fails(error)) == reason


async def test_a_model_that_cannot_even_be_asked_is_a_model_that_failed() -> None:
    class Broken:
        def chat(self, **_: Any) -> llm.LLMStream:
            raise RuntimeError("closed")

    with pytest.raises(WordsRefused, match="RuntimeError"):
        await find(cast("llm.LLM[Any]", Broken()))


async def test_a_model_that_clings_to_its_reply_is_left_behind() -> None:
    released = asyncio.Event()

    async def deaf(_: str, __: str) -> AsyncIterator[str]:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await released.wait()
        yield ""

    began = asyncio.get_running_loop().time()
    assert await refused(deaf) == "ReplyLate"
    assert asyncio.get_running_loop().time() - began == pytest.approx(ALL_S)
    released.set()
    await end_what_is_left()


async def test_a_plan_whose_language_nobody_can_check_is_not_sent_to_a_model() -> None:
    model = ModelStandIn(says(f"ACKNOWLEDGE: {CLEAR}"))
    german = plan_of(question(0), question(1), language="de")
    with pytest.raises(WordsRefused, match="LanguageUnknown"):
        await find(model, german)
    assert model.asked == []


async def test_whoever_stops_waiting_leaves_no_request_behind() -> None:
    model = ModelStandIn(says(1.0, f"ACKNOWLEDGE: {CLEAR}"))
    finding = asyncio.create_task(find(model))
    await asyncio.sleep(0.5)
    assert len(model.asked) == 1
    finding.cancel()
    await asyncio.wait({finding})
    await asyncio.sleep(0.1)
    assert model.ended == 1
