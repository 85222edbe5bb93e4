"""Events of the dialogue in the interviewer, and utterances that are also written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.virtual.interview_parts import plan_of
from tests.support.virtual.stuck_parts import DUMB, SPEAKS, Stuck
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.wording.lines import lines_of
from worker.interview.orchestrator_llm import OrchestratorLLM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime

LINES = lines_of("en").lines
FIRST = plan_of().questions[0].text
NOAUDIO = Happening(event=Event.NOAUDIO)


@pytest.fixture
async def greeted(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Stuck]]]:
    """Yield a function that begins an interview, and returns it after the greeting."""
    begun: list[Stuck] = []

    async def begin(*fates: str) -> Stuck:
        orchestrator = OrchestratorLLM("iv-1", snapshot=plan_of().to_json())
        await orchestrator.init(None)
        begun.append(Stuck(tmp_path, orchestrator, SPEAKS, *fates))
        await begun[-1].begin()
        await asyncio.sleep(8)
        return begun[-1]

    yield begin
    for scene in begun:
        await scene.end()


async def happens(scene: Stuck, given: Happening, *, within_s: float = 8.0) -> None:
    async with scene.agent.exclusive.held():
        await scene.agent.happened(given)
    await asyncio.sleep(within_s)


async def test_an_event_is_followed_by_its_utterance(greeted: Any) -> None:
    scene = await greeted()
    await happens(scene, Happening(event=Event.NOINPUT))
    assert scene.session.spoken[1:] == [LINES["take_your_time"]]
    assert scene.transport.written == []
    names = [each.name for each in scene.orchestrator.tracker.records]
    assert names[-2:] == ["noinput", "prompt_done"]


async def test_an_event_without_an_utterance_is_only_recorded(greeted: Any) -> None:
    scene = await greeted()
    await happens(scene, Happening(event=Event.LEFT))
    assert len(scene.session.spoken) == 1
    assert scene.orchestrator.tracker.records[-1].name == "left"
    assert not scene.agent.floor.ours


async def test_an_utterance_that_is_to_be_written_is_spoken_and_written_once(greeted: Any) -> None:
    scene = await greeted()
    await happens(scene, NOAUDIO)
    assert scene.session.spoken[1:] == [LINES["microphone"]]
    assert scene.transport.written == [LINES["microphone"]]


async def test_an_utterance_that_was_written_is_not_written_again_if_it_cannot_be_spoken(
    greeted: Any,
) -> None:
    scene = await greeted(DUMB, DUMB, DUMB)
    await happens(scene, NOAUDIO, within_s=20)
    assert scene.transport.written == [LINES["microphone"]]


async def test_an_utterance_that_cannot_be_written_is_spoken(
    greeted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await greeted()

    async def write(_: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(scene.transport, "write", write)
    await happens(scene, NOAUDIO)
    assert scene.session.spoken[1:] == [LINES["microphone"]]


async def test_a_candidate_who_returns_is_welcomed_back_once_and_hears_the_question(
    greeted: Any,
) -> None:
    scene = await greeted()
    scene.transport.move(here=False)
    scene.reach.person_left()
    await asyncio.sleep(5)
    scene.transport.move(here=True)
    scene.reach.moved()
    await asyncio.sleep(10)
    assert scene.session.spoken[1:] == [f"{LINES['welcome_back']} {FIRST}"]
    assert scene.line.played == []


async def test_an_event_during_an_utterance_does_not_change_that_it_was_heard(
    greeted: Any,
) -> None:
    scene = await greeted()
    await happens(scene, Happening(event=Event.NOINPUT), within_s=0.3)
    async with scene.agent.exclusive.held():
        scene.agent.noted(Happening(event=Event.LEFT))
    await asyncio.sleep(5)
    names = [each.name for each in scene.orchestrator.tracker.records]
    assert names[-3:] == ["noinput", "left", "prompt_done"]
    assert scene.session.spoken[1:] == [LINES["take_your_time"]]


async def test_an_event_while_an_utterance_is_being_recorded_does_not_lose_that_it_was_heard(
    greeted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await greeted()
    kept = scene._keep

    async def keep(**turn: Any) -> None:
        scene.agent.noted(Happening(event=Event.LEFT))
        await kept(**turn)

    monkeypatch.setattr(scene.agent._book, "_keep_turn", keep)
    await happens(scene, Happening(event=Event.NOINPUT))
    names = [each.name for each in scene.orchestrator.tracker.records]
    assert names[-3:] == ["noinput", "left", "prompt_done"]
    assert not scene.orchestrator.tracker.has_due
