"""Words that are typed, cut off by the end of the session, or not spoken for lack of a TTS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit.agents import AgentSession, UserInputTranscribedEvent, llm
from livekit.agents.voice import SpeechHandle

from tests.support.virtual.interview_parts import LONG, SHORT, plan_of, question
from worker.interview.conversation.endpointing import UNHEARD_PAUSE_S
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.orchestrator import Role
from worker.interview.orchestrator_llm import OrchestratorLLM

PLAN = plan_of(question(0), question(1))


class Interview:
    """An interview in text: its stored turns, and the text written to the candidate."""

    def __init__(self, orchestrator: OrchestratorLLM) -> None:
        self.orchestrator = orchestrator
        self.turns: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.written: list[str] = []
        self.heard: list[tuple[str, str, str | None]] = []
        self.agent = Interviewer(
            orchestrator, self.keep, self.write, keep_hearing=self.keep_hearing
        )
        self.session: AgentSession[Any] = AgentSession(
            llm=orchestrator,
            vad=None,
            turn_handling={"turn_detection": None},
            user_away_timeout=None,
        )

    async def keep(self, **turn: Any) -> None:
        self.turns.put_nowait(turn)

    async def write(self, text: str) -> None:
        self.written.append(text)

    def keep_hearing(self, *piece: Any) -> int:
        self.heard.append(piece)
        return len(self.heard) - 1

    def hears(self, text: str, *, final: bool) -> None:
        event = UserInputTranscribedEvent(transcript=text, is_final=final)
        self.session.emit("user_input_transcribed", event)

    async def spoken(self, text: str, *, broke_off: bool = False) -> None:
        """Record the next move as the framework does, with the part that was heard."""
        items = [SimpleNamespace(type="message", text_content=text, interrupted=broke_off)]
        handle = SimpleNamespace(chat_items=items if text else [], interrupted=False)
        move = self.orchestrator.next_move()
        await self.agent._utterances.record(cast(SpeechHandle, handle), move)


@pytest.fixture
async def interview() -> AsyncIterator[Interview]:
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    interview = Interview(orchestrator)
    await interview.session.start(interview.agent, record=False, session_host=False)
    yield interview
    await interview.session.aclose()


async def test_a_typed_answer_is_a_turn_and_gets_the_next_question(
    interview: Interview,
) -> None:
    await interview.spoken(interview.orchestrator.next_move().text)
    interview.turns.get_nowait()

    await interview.agent.on_text(f"  {LONG}\n")

    answer = interview.turns.get_nowait()
    assert (answer["speaker"], answer["text"], answer["question_id"]) == ("candidate", LONG, "q0")
    assert answer["typed"] is True
    assert (await interview.turns.get())["text"] == PLAN.questions[1].text


async def test_a_typed_message_without_words_is_ignored(interview: Interview) -> None:
    await interview.agent.on_text(" \n ")

    assert interview.turns.empty()


async def test_an_answer_in_progress_when_the_session_closes_is_recorded_as_interrupted(
    interview: Interview,
) -> None:
    interview.hears("I led a team", final=True)
    interview.hears("of f", final=False)
    interview.hears("of five", final=False)

    await interview.agent.answers.keep_half()
    await interview.agent.answers.keep_half()

    kept = interview.turns.get_nowait()
    assert (kept["speaker"], kept["text"]) == ("candidate", "I led a team of five")
    assert kept["interrupted"] is True
    assert interview.turns.empty()


async def test_an_answer_that_became_a_turn_is_not_recorded_twice(interview: Interview) -> None:
    interview.hears(SHORT, final=True)
    message = llm.ChatMessage(role="user", content=[SHORT])
    await interview.agent.on_user_turn_completed(llm.ChatContext.empty(), message)
    spoken = interview.turns.get_nowait()
    assert (spoken["text"], spoken["typed"]) == (SHORT, False)

    await interview.agent.answers.keep_half()

    assert interview.turns.empty()


async def test_a_turn_names_the_last_transcript_record_that_it_includes(
    interview: Interview,
) -> None:
    interview.hears("I led", final=True)
    interview.hears("a team", final=True)
    message = llm.ChatMessage(role="user", content=["I led a team"])
    await interview.agent.on_user_turn_completed(llm.ChatContext.empty(), message)
    interview.hears("And then", final=True)
    await interview.agent.answers.keep_half()

    assert interview.heard == [
        ("I led", "", "q0"),
        ("a team", "", "q0"),
        ("And then", "", "q0"),
    ]
    assert interview.turns.get_nowait()["hearing"] == 1
    assert interview.turns.get_nowait()["hearing"] == 2


async def test_a_typed_answer_does_not_discard_the_spoken_partial_answer(
    interview: Interview,
) -> None:
    interview.hears(SHORT, final=True)
    await interview.agent.on_text(LONG)
    assert interview.turns.get_nowait()["text"] == LONG

    await interview.agent.answers.keep_half()

    kept = [interview.turns.get_nowait() for _ in range(interview.turns.qsize())]
    assert [turn["text"] for turn in kept if turn["speaker"] == "candidate"] == [SHORT]


async def test_without_speech_to_text_a_typed_answer_first_records_and_clears_the_partial_one(
    interview: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(interview.session, "clear_user_turn", lambda: forgotten.append(True))
    await interview.spoken(interview.orchestrator.next_move().text)
    interview.turns.get_nowait()
    interview.hears(SHORT, final=True)

    interview.agent.cannot_hear()
    await interview.agent.on_text(LONG)

    half, answer = interview.turns.get_nowait(), interview.turns.get_nowait()
    assert (half["text"], half["interrupted"], half["question_id"]) == (SHORT, True, "q0")
    assert (answer["text"], answer["interrupted"], answer["question_id"]) == (LONG, False, "q0")
    assert forgotten == [True]


async def test_a_partial_answer_gets_a_long_pause_only_without_speech_to_text(
    interview: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_s: list[float] = []

    def update_options(*, endpointing_opts: dict[str, float]) -> None:
        pauses_s.append(endpointing_opts["min_delay"])

    monkeypatch.setattr(interview.session, "update_options", update_options)
    await interview.spoken(interview.orchestrator.next_move().text)
    interview.agent.cannot_hear()
    interview.hears("of five", final=False)
    interview.hears("of five people", final=True)

    assert pauses_s == [PLAN.questions[0].thinking_pause_s, UNHEARD_PAUSE_S, pauses_s[0]]


async def test_a_turn_cancelled_before_it_is_recorded_stays_a_partial_answer(
    interview: Interview,
) -> None:
    interview.hears(SHORT, final=True)
    interview.agent._utterances.recording.add(asyncio.create_task(asyncio.sleep(60)))
    message = llm.ChatMessage(role="user", content=[SHORT])
    ending = asyncio.create_task(
        interview.agent.on_user_turn_completed(llm.ChatContext.empty(), message)
    )
    await asyncio.sleep(0)
    ending.cancel()
    for task in (ending, *interview.agent._utterances.recording):
        task.cancel()
        await asyncio.wait({task})

    await interview.agent.answers.keep_half()

    assert interview.turns.get_nowait()["text"] == SHORT


async def test_a_question_is_asked_again_if_its_audio_broke_off(interview: Interview) -> None:
    await interview.spoken("Hel", broke_off=True)

    assert interview.turns.get_nowait()["interrupted"] is True
    assert interview.orchestrator.next_move().role is Role.REPEAT


async def test_an_unspoken_utterance_stays_due_and_is_reported(
    interview: Interview,
) -> None:
    told = asyncio.Event()

    async def on_unspoken() -> None:
        told.set()

    interview.agent.on_unspoken = on_unspoken
    interview.agent.floor.take()
    await interview.spoken("")

    await told.wait()
    assert interview.agent.floor.ours
    assert interview.turns.empty()


async def test_an_utterance_sent_as_text_is_a_turn(interview: Interview) -> None:
    opening = interview.orchestrator.next_move().text
    interview.agent.floor.take()
    await interview.agent.write_next()

    assert interview.written == [opening]
    kept = interview.turns.get_nowait()
    assert (kept["text"], kept["heard"], kept["generated"]) == (opening, "", opening)
    # The candidate has read the text and can answer it.
    assert interview.orchestrator.next_move().role is not Role.OPENING
    assert not interview.agent.floor.ours
