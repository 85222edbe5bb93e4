"""Events of the dialogue between the turns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.virtual.interview_parts import LONG, plan_of, question
from worker.interview.conversation.turn_log import TurnLog
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.phases import Phase
from worker.interview.dialogue.records import Record
from worker.interview.orchestrator_llm import OrchestratorLLM

PLAN = plan_of(question(0), question(1))


class Log:
    """A log of turns whose journal is slow while `open` is not set."""

    def __init__(self, orchestrator: OrchestratorLLM) -> None:
        self.orchestrator = orchestrator
        self.records: list[Record] = []
        self.open = asyncio.Event()
        self.open.set()
        self.book = TurnLog(orchestrator, self._keep, self.records.append)

    async def _keep(self, **_: Any) -> None:
        await self.open.wait()

    async def say(self) -> None:
        """Let the due utterance be heard to its end."""
        move = self.orchestrator.next_move()
        await self.book.utterance(move, move.text, heard=move.text)

    @property
    def names(self) -> list[str]:
        return [record.name for record in self.records]


@pytest.fixture
async def log() -> Log:
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    return Log(orchestrator)


async def test_an_utterance_over_which_something_was_noted_is_heard(log: Log) -> None:
    await log.say()
    await log.book.answer(LONG)
    move = log.orchestrator.next_move()
    log.book.note(Happening(event=Event.OVERLAP))
    await log.book.utterance(move, move.text, heard=move.text)

    assert log.orchestrator.tracker.state.place.phase is Phase.LISTENING
    assert log.orchestrator.open_question().id == PLAN.questions[1].id


async def test_an_event_while_a_turn_is_written_is_recorded_after_the_turn(log: Log) -> None:
    await log.say()
    log.open.clear()
    answering = asyncio.create_task(log.book.answer(LONG))
    await asyncio.sleep(0)
    log.book.note(Happening(event=Event.OVERLAP))
    assert log.names[-1] != "overlap"
    log.open.set()
    await answering

    assert log.names[-1] == "overlap"
    assert [record.seq for record in log.records] == list(range(1, len(log.records) + 1))


async def test_an_answer_after_a_withdrawn_question_belongs_to_the_question_before(
    log: Log,
) -> None:
    await log.say()
    await log.book.answer(LONG)
    assert log.orchestrator.tracker.can_withdraw
    withdrawn = log.orchestrator.next_move()
    log.book.note(Happening(event=Event.WITHDRAWN))

    assert not log.orchestrator.has_due
    assert log.orchestrator.open_question().id == PLAN.questions[0].id
    await log.book.utterance(withdrawn, "What", heard="What", interrupted=True)
    assert log.orchestrator.open_question().id == PLAN.questions[0].id
    assert not log.orchestrator.tracker.can_withdraw

    log.book.note(Happening(event=Event.WITHDRAWN_IN_VAIN))
    assert log.orchestrator.next_move().text.endswith(PLAN.questions[1].text)


async def test_an_event_over_the_greeting_is_recorded_after_the_greeting(log: Log) -> None:
    log.book.note(Happening(event=Event.OVERLAP))
    assert log.names == []
    await log.say()

    assert log.names[0] == "present"
    assert log.names[-1] == "overlap"
