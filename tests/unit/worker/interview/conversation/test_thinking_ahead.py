"""The language model is asked for the answer so far, while a silence decides whether it is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.virtual.interview_parts import LONG, Talk, plan_of, question
from tests.support.virtual.model_parts import ModelStandIn, Reply, says
from worker.interview.conversation.thinking_ahead import ThinkingAhead
from worker.interview.llm.ahead import MOST_FOR_ONE_ANSWER
from worker.interview.orchestrator_llm import OrchestratorLLM

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

PLAN = plan_of(question(0), question(1), question(2))
CLEAR = "Thank you, that is clear."
SLOW = says(0.8, f"ACKNOWLEDGE: {CLEAR}")


async def asked(reply: Reply = SLOW) -> tuple[OrchestratorLLM, ModelStandIn]:
    """Return an interview whose first question was asked."""
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    model = ModelStandIn(reply)
    orchestrator.use_model(model)
    for turn in Talk().asked(orchestrator.next_move()).turns:
        orchestrator.commit(turn)
    return orchestrator, model


def answer(orchestrator: OrchestratorLLM, text: str) -> None:
    orchestrator.commit(Talk().answered(text).turns[0])


async def reply_of(orchestrator: OrchestratorLLM) -> tuple[str, float]:
    """Return the words of the next utterance, and the seconds until they are known."""
    clock = asyncio.get_running_loop().time
    began = clock()
    move = await orchestrator.next_utterance().found()
    return move.text, clock() - began


async def test_words_that_were_requested_ahead_are_there_at_once() -> None:
    orchestrator, model = await asked()
    orchestrator.think_ahead(LONG)
    await asyncio.sleep(1.0)
    answer(orchestrator, LONG)
    assert await reply_of(orchestrator) == (f"{CLEAR} {PLAN.questions[1].text}", 0.0)
    assert len(model.asked) == 1


async def test_a_request_ahead_that_is_not_answered_yet_is_waited_for() -> None:
    orchestrator, model = await asked()
    orchestrator.think_ahead(LONG)
    await asyncio.sleep(0.5)
    answer(orchestrator, LONG)
    text, seconds = await reply_of(orchestrator)
    assert text.startswith(CLEAR)
    assert seconds == pytest.approx(0.3)
    assert len(model.asked) == 1


async def test_words_for_another_answer_are_not_used() -> None:
    orchestrator, model = await asked()
    orchestrator.think_ahead(LONG)
    await asyncio.sleep(0.5)
    answer(orchestrator, f"{LONG} And it was done in May.")
    text, _ = await reply_of(orchestrator)
    assert text.startswith(CLEAR)
    assert ["done in May" in user for _, user in model.asked] == [False, True]
    assert model.ended == 2


async def test_thinking_ahead_changes_nothing_in_the_dialogue() -> None:
    orchestrator, _ = await asked()
    tracker, place = orchestrator.tracker, orchestrator.tracker.exchange("q0")
    before = (tracker.state, list(tracker.records), tracker.seconds_left, tracker.next_move())
    orchestrator.think_ahead(LONG)
    after = (tracker.state, list(tracker.records), tracker.seconds_left, tracker.next_move())
    assert after == before
    assert tracker.exchange("q0") == place


async def test_a_request_ahead_for_the_same_answer_is_made_once() -> None:
    orchestrator, model = await asked()
    for _ in range(3):
        orchestrator.think_ahead(LONG)
        await asyncio.sleep(0.1)
    assert len(model.asked) == 1


async def test_at_most_one_request_runs_and_each_answer_has_a_limit() -> None:
    orchestrator, model = await asked()
    for number in range(10):
        orchestrator.think_ahead(f"{LONG} {number}")
        await asyncio.sleep(0.1)
        assert len(model.asked) - model.ended <= 1
    assert len(model.asked) == MOST_FOR_ONE_ANSWER
    answer(orchestrator, LONG)
    await reply_of(orchestrator)
    assert len(model.asked) == MOST_FOR_ONE_ANSWER + 1


async def test_no_words_are_requested_for_a_request_of_the_candidate() -> None:
    orchestrator, model = await asked()
    orchestrator.think_ahead("Are you a robot?")
    await asyncio.sleep(0.1)
    assert model.asked == []


async def test_refused_words_are_not_spoken_and_reported_only_if_they_were_needed() -> None:
    orchestrator, model = await asked(says("ACKNOWLEDGE: I am not a robot."))
    refused: list[str] = []
    orchestrator.on_refused = refused.append
    orchestrator.think_ahead("I rebuilt something.")
    await asyncio.sleep(0.1)
    orchestrator.think_ahead(LONG)
    await asyncio.sleep(0.1)
    answer(orchestrator, LONG)
    assert await reply_of(orchestrator) == (PLAN.questions[1].text, 0.0)
    assert refused == ["SpeaksOfItself"]
    assert len(model.asked) == 2


async def test_a_model_that_is_detached_is_not_heard() -> None:
    orchestrator, model = await asked()
    orchestrator.think_ahead(LONG)
    await asyncio.sleep(0.1)
    orchestrator.use_model(None)
    await asyncio.sleep(0.1)
    answer(orchestrator, LONG)
    assert await reply_of(orchestrator) == (PLAN.questions[1].text, 0.0)
    assert model.ended == 1


# --- when the model is asked ---------------------------------------------------------------------


class Session:
    """A session that has only events."""

    def __init__(self) -> None:
        self._handlers: list[Callable[[Any], None]] = []

    def on(self, _: str, handler: Callable[[Any], None]) -> None:
        self._handlers.append(handler)

    def emit(self) -> None:
        for handler in self._handlers:
            handler(None)


@pytest.mark.parametrize(
    ("silent", "final", "cut", "requests"),
    [
        (True, True, False, 1),
        (False, True, False, 0),
        (True, False, False, 0),
        (True, True, True, 0),
    ],
    ids=["silent", "speaking", "interim text", "a part is missing"],
)
async def test_the_model_is_asked_only_while_a_whole_answer_is_final_and_nobody_speaks(
    silent: bool, final: bool, cut: bool, requests: int
) -> None:
    orchestrator, model = await asked()
    half = SimpleNamespace(text=LONG, is_final=final)
    answers: Any = SimpleNamespace(half=half, heard=lambda: SimpleNamespace(cut=cut))
    session: Any = Session()
    ThinkingAhead(orchestrator, answers, lambda: silent).listen(session)
    session.emit()
    await asyncio.sleep(0.1)
    assert len(model.asked) == requests


async def test_a_request_ahead_is_cancelled_when_the_candidate_goes_on() -> None:
    orchestrator, model = await asked()
    silent = [True]
    half = SimpleNamespace(text=LONG, is_final=True)
    answers: Any = SimpleNamespace(half=half, heard=lambda: SimpleNamespace(cut=False))
    session: Any = Session()
    ThinkingAhead(orchestrator, answers, lambda: silent[0]).listen(session)
    session.emit()
    await asyncio.sleep(0.1)
    silent[0] = False
    session.emit()
    await asyncio.sleep(0.1)
    assert (len(model.asked), model.ended) == (1, 1)
