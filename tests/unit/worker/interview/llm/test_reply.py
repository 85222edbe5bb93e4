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
    assert refusal.value.__cause__ is None, "the cause may quote the candidate"
    return refusal.value.reason


async def test_a_reply_in_chunks_is_one_utterance() -> None:
    model = ModelStandIn(says("ACK", 0.5, "NOWLEDGE: Thank", 0.5, f" {CLEAR[6:]}\n"))
    move = await find(model)
    assert move.text == f"{CLEAR} {PLAN.questions[1].text}"
    ((system, user),) = model.asked
    assert PLAN.questions[0].text in system
    assert LONG in user


async def test_a_model_follow_up_has_the_follow_up_role() -> None:
    move = await find(ModelStandIn(says("FOLLOW-UP: Which part of the matter was long?")))
    assert move.role is Role.FOLLOW_UP


@pytest.mark.parametrize("pieces", [(10.0, "ACKNOWLEDGE: Thank you."), ("", " ", 10.0, "late")])
async def test_a_late_first_word_is_abandoned(pieces: tuple[str | float, ...]) -> None:
    began = asyncio.get_running_loop().time()
    assert await refused(says(*pieces)) == "FirstWordLate"
    assert asyncio.get_running_loop().time() - began == pytest.approx(FIRST_S)


async def test_a_reply_that_never_ends_is_abandoned() -> None:
    began = asyncio.get_running_loop().time()
    assert await refused(says_for_ever("o", 0.5)) == "ReplyLate"
    assert asyncio.get_running_loop().time() - began == pytest.approx(ALL_S)
    await end_what_is_left()


async def test_reading_a_reply_stops_once_it_is_too_long() -> None:
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
async def test_a_model_failure_is_reported_without_its_message(
    error: Exception, reason: str
) -> None:
    assert await refused(fails(error)) == reason


async def test_an_error_before_the_request_counts_as_a_model_failure() -> None:
    class Broken:
        def chat(self, **_: Any) -> llm.LLMStream:
            raise RuntimeError("closed")

    with pytest.raises(WordsRefused, match="RuntimeError"):
        await find(cast("llm.LLM[Any]", Broken()))


async def test_a_model_that_ignores_cancellation_is_abandoned() -> None:
    released = asyncio.Event()

    async def ignores_cancellation(_: str, __: str) -> AsyncIterator[str]:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await released.wait()
        yield ""

    began = asyncio.get_running_loop().time()
    assert await refused(ignores_cancellation) == "ReplyLate"
    assert asyncio.get_running_loop().time() - began == pytest.approx(ALL_S)
    released.set()
    await end_what_is_left()


async def test_a_plan_in_a_language_without_checks_is_not_sent_to_a_model() -> None:
    model = ModelStandIn(says(f"ACKNOWLEDGE: {CLEAR}"))
    german = plan_of(question(0), question(1), language="de")
    with pytest.raises(WordsRefused, match="LanguageUnknown"):
        await find(model, german)
    assert model.asked == []


async def test_a_cancelled_call_ends_its_request() -> None:
    model = ModelStandIn(says(1.0, f"ACKNOWLEDGE: {CLEAR}"))
    finding = asyncio.create_task(find(model))
    await asyncio.sleep(0.5)
    assert len(model.asked) == 1
    finding.cancel()
    await asyncio.wait({finding})
    await asyncio.sleep(0.1)
    assert model.ended == 1
