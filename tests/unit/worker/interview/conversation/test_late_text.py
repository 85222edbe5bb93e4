"""The end of a turn that waits until speech-to-text has caught up, in a real AgentSession."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from livekit.agents import AgentSession, StopResponse, UserInputTranscribedEvent, llm

from tests.support.virtual.interview_parts import LONG, plan_of, question
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.orchestrator_llm import OrchestratorLLM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime

PLAN = plan_of(question(0), question(1))
FIRST, SECOND = "I led a team of five people,", "and I learned to listen to them."


class LateTranscriber:
    """Speech-to-text that a test puts behind the candidate's speech."""

    def __init__(self) -> None:
        self._caught_up = asyncio.Event()
        self._caught_up.set()

    @property
    def is_behind(self) -> bool:
        return not self._caught_up.is_set()

    def fall_behind(self) -> None:
        self._caught_up.clear()

    def catch_up(self) -> None:
        self._caught_up.set()

    async def caught_up(self) -> None:
        await self._caught_up.wait()


class Interview:
    """An interview in text whose first question was asked."""

    def __init__(self, orchestrator: OrchestratorLLM) -> None:
        self.orchestrator = orchestrator
        self.turns: list[dict[str, Any]] = []
        self.stt = LateTranscriber()
        self.agent = Interviewer(orchestrator, self.keep, transcriber=lambda: self.stt)
        self.session: AgentSession[Any] = AgentSession(
            llm=orchestrator,
            vad=None,
            turn_handling={"turn_detection": None},
            user_away_timeout=None,
        )

    async def keep(self, **turn: Any) -> None:
        self.turns.append(turn)

    def hears(self, text: str, *, final: bool = True) -> None:
        event = UserInputTranscribedEvent(transcript=text, is_final=final)
        self.session.emit("user_input_transcribed", event)

    async def turn_ends(self, text: str) -> bool:
        """End the candidate's turn as the framework does. Return whether it gets a reply."""
        message = llm.ChatMessage(role="user", content=[text])
        try:
            await self.agent.on_user_turn_completed(llm.ChatContext.empty(), message)
        except StopResponse:
            return False
        return True

    def of(self, speaker: str) -> list[tuple[str, bool]]:
        """Return text and interruption of a speaker's turns."""
        return [(t["text"], t["interrupted"]) for t in self.turns if t["speaker"] == speaker]

    @property
    def answers(self) -> list[tuple[str, bool]]:
        return self.of("candidate")


@pytest.fixture
async def interview(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Interview]:
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    interview = Interview(orchestrator)
    await interview.session.start(interview.agent, record=False, session_host=False)
    monkeypatch.setattr(interview.session, "clear_user_turn", lambda: None)
    await interview.agent.speak_next()
    # The floor has no event. In a fixture looptime leaves the clock as it is.
    while interview.agent.floor.ours:  # noqa: ASYNC110
        await asyncio.sleep(0)
    yield interview
    await interview.session.aclose()


async def test_a_turn_that_ends_before_speech_to_text_has_caught_up_is_not_committed(
    interview: Interview,
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)

    assert not await interview.turn_ends(FIRST)
    await asyncio.sleep(100)

    assert interview.answers == []
    assert not interview.agent.floor.ours


async def test_the_late_part_of_an_answer_becomes_one_turn_with_the_first_part(
    interview: Interview,
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    await interview.turn_ends(FIRST)

    interview.stt.catch_up()
    interview.hears(SECOND)
    assert await interview.turn_ends(SECOND)
    await asyncio.sleep(100)

    assert interview.answers == [(f"{FIRST} {SECOND}", False)]
    assert interview.agent.answers.half.text == ""


async def test_a_late_part_whose_turn_ends_much_later_is_not_split_off(
    interview: Interview,
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    await interview.turn_ends(FIRST)
    interview.stt.catch_up()
    interview.hears(SECOND)

    await asyncio.sleep(6)  # the pause after an answer that does not sound finished
    assert interview.answers == []
    assert await interview.turn_ends(SECOND)

    assert interview.answers == [(f"{FIRST} {SECOND}", False)]


async def test_an_answer_without_a_late_part_becomes_a_turn_once_speech_to_text_caught_up(
    interview: Interview,
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    await interview.turn_ends(FIRST)

    interview.stt.catch_up()
    await asyncio.sleep(2)

    assert interview.answers == [(FIRST, False)]
    assert [text for text, _ in interview.of("interviewer")][-1] == PLAN.questions[1].text


async def test_an_answer_that_is_held_back_waits_while_the_candidate_speaks_on(
    interview: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    await interview.turn_ends(FIRST)
    monkeypatch.setattr(Interviewer, "hears_candidate", True)
    interview.stt.catch_up()
    await asyncio.sleep(20)
    assert interview.answers == []

    interview.hears(SECOND)
    monkeypatch.setattr(Interviewer, "hears_candidate", False)
    assert await interview.turn_ends(SECOND)

    assert interview.answers == [(f"{FIRST} {SECOND}", False)]


async def test_several_parts_that_are_held_back_become_one_turn(interview: Interview) -> None:
    interview.stt.fall_behind()
    for part in (FIRST, SECOND):
        interview.hears(part)
        assert not await interview.turn_ends(part)

    interview.stt.catch_up()
    await asyncio.sleep(2)

    assert interview.answers == [(f"{FIRST} {SECOND}", False)]


async def test_a_turn_ends_at_once_if_speech_to_text_is_not_behind(interview: Interview) -> None:
    interview.hears(FIRST)

    assert await interview.turn_ends(FIRST)

    assert interview.answers == [(FIRST, False)]


async def test_a_typed_answer_keeps_what_was_held_back_as_cut_off(interview: Interview) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    await interview.turn_ends(FIRST)

    await interview.agent.on_text(LONG)
    interview.stt.catch_up()
    await asyncio.sleep(100)

    assert interview.answers == [(FIRST, True), (LONG, False)]


async def test_a_typed_answer_discards_speech_that_has_no_transcript_yet(
    interview: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(interview.session, "clear_user_turn", lambda: forgotten.append(True))
    interview.stt.fall_behind()

    await interview.agent.on_text(LONG)

    assert interview.answers == [(LONG, False)]
    assert forgotten == [True]


async def test_the_end_of_the_session_keeps_what_is_held_back_as_cut_off(
    interview: Interview,
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    await interview.turn_ends(FIRST)

    await interview.session.aclose()
    await interview.agent.answers.keep_half()
    await interview.agent.answers.keep_half()

    assert interview.answers == [(FIRST, True)]


async def test_an_answer_held_back_while_the_interview_stops_is_kept_without_a_reply(
    interview: Interview,
) -> None:
    interview.stt.fall_behind()
    interview.hears(FIRST)
    stopping = asyncio.create_task(interview.agent.come_to_a_stop(10.0))
    await asyncio.sleep(0)
    await interview.turn_ends(FIRST)
    interview.stt.catch_up()
    await stopping
    await asyncio.sleep(10)

    assert interview.answers == [(FIRST, False)]
    assert len(interview.of("interviewer")) == 1
