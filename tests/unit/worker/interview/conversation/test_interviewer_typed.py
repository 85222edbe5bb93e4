"""Answers that come at the same moment, typed and spoken, get one reply; on virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from livekit.agents import AgentSession, StopResponse, UserInputTranscribedEvent, llm

from tests.support.virtual.interview_parts import LONG, plan_of, question
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.conversation.typed_messages import MESSAGES, NO_MORE, REFUSED
from worker.interview.orchestrator_llm import OrchestratorLLM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.looptime

PLAN = plan_of(question(0), question(1), question(2))
#: Seconds that the commit of a turn takes.
COMMIT_S = 0.2


class Interview:
    """An interview in text whose commits take `COMMIT_S` seconds."""

    def __init__(self, orchestrator: OrchestratorLLM) -> None:
        self.turns: list[tuple[str, str | None, str]] = []
        self.written: list[str] = []
        self.refused: list[int] = []
        self.agent = Interviewer(orchestrator, self._keep, self._write, refused=self.refused.append)
        self.session: AgentSession[Any] = AgentSession(
            llm=orchestrator,
            vad=None,
            turn_handling={"turn_detection": None},
            user_away_timeout=None,
        )

    async def _keep(self, **turn: Any) -> None:
        self.turns.append((turn["speaker"], turn["question_id"], turn["text"]))
        await asyncio.sleep(COMMIT_S)

    async def _write(self, text: str) -> None:
        self.written.append(text)

    async def speaks(self, text: str) -> None:
        """Say an answer. The framework calls the agent's hook, then lets the agent reply."""
        event = UserInputTranscribedEvent(transcript=text, is_final=True)
        self.session.emit("user_input_transcribed", event)
        message = llm.ChatMessage(role="user", content=[text])
        try:
            await self.agent.on_user_turn_completed(llm.ChatContext.empty(), message)
        except StopResponse:
            return
        self.session.generate_reply()

    def said(self, speaker: str) -> list[tuple[str | None, str]]:
        """Return the question and the text of a speaker's turns."""
        return [(question_id, text) for who, question_id, text in self.turns if who == speaker]

    async def after(self, *parts: tuple[float, Callable[[], Awaitable[None]]]) -> None:
        """Start each part after its seconds, wait for all, and let the replies be recorded."""

        async def late(seconds: float, part: Callable[[], Awaitable[None]]) -> None:
            await asyncio.sleep(seconds)
            await part()

        await asyncio.gather(*(late(*part) for part in parts))
        await asyncio.sleep(5.0)


@asynccontextmanager
async def held() -> AsyncIterator[Interview]:
    """Hold an interview whose first question was asked. A fixture would not have virtual time."""
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    interview = Interview(orchestrator)
    await interview.session.start(interview.agent, record=False, session_host=False)
    await interview.agent.speak_next()
    await asyncio.sleep(5.0)
    assert asked(interview) == ["q0"]
    try:
        yield interview
    finally:
        await interview.session.aclose()


ASKED_ONCE = ["q0", "q1"]


def asked(interview: Interview) -> list[str | None]:
    return [question_id for question_id, _ in interview.said("interviewer")]


async def test_two_messages_at_the_same_moment_are_one_answer() -> None:
    async with held() as interview:
        agent = interview.agent
        await interview.after(
            (0.0, lambda: agent.on_text(LONG)), (0.0, lambda: agent.on_text("More."))
        )
        assert interview.said("candidate") == [("q0", f"{LONG} More.")]
        assert asked(interview) == ASKED_ONCE


@pytest.mark.parametrize("gap_s", [0.05, 0.1, COMMIT_S])
async def test_a_message_within_the_commit_of_another_belongs_to_the_same_question(
    gap_s: float,
) -> None:
    async with held() as interview:
        agent = interview.agent
        await interview.after(
            (0.0, lambda: agent.on_text(LONG)), (gap_s, lambda: agent.on_text("More."))
        )
        assert interview.said("candidate") == [("q0", LONG), ("q0", "More.")]
        assert asked(interview) == ASKED_ONCE


@pytest.mark.parametrize("gap_s", [0.0, 0.1])
@pytest.mark.parametrize("typed_first", [True, False])
async def test_a_typed_and_a_spoken_answer_at_the_same_moment_get_one_reply(
    gap_s: float, typed_first: bool
) -> None:
    async with held() as interview:
        parts: list[Callable[[], Awaitable[None]]] = [
            lambda: interview.agent.on_text("Typed."),
            lambda: interview.speaks(LONG),
        ]
        first, second = parts if typed_first else reversed(parts)
        await interview.after((0.0, first), (gap_s, second))
        assert sorted(interview.said("candidate")) == sorted([("q0", "Typed."), ("q0", LONG)])
        assert asked(interview) == ASKED_ONCE


async def test_many_messages_at_once_get_one_reply_and_those_beyond_the_limit_are_refused() -> None:
    async with held() as interview:

        def send() -> Awaitable[None]:
            return interview.agent.on_text("Words.")

        await interview.after(*[(0.01 * number, send) for number in range(25)])
        answers = interview.said("candidate")
        assert {question_id for question_id, _ in answers} == {"q0"}
        assert sum(text.count("Words.") for _, text in answers) == MESSAGES[0]
        assert interview.written == [REFUSED]
        await interview.session.aclose()
        assert sum(interview.refused) == 25 - MESSAGES[0]
        assert len(asked(interview)) <= 2


async def test_words_that_were_kept_as_a_partial_answer_are_no_second_answer() -> None:
    """The turn ends while a recovery step is keeping its words, to ask the question again."""
    async with held() as interview:
        agent = interview.agent
        heard = UserInputTranscribedEvent(transcript=LONG, is_final=True)

        async def ask_again() -> None:
            interview.session.emit("user_input_transcribed", heard)
            async with agent.exclusive.held():
                await asyncio.sleep(0.1)
                await agent.let_go_of_answer()
                await agent.speak_next()

        async def turn_ends() -> None:
            message = llm.ChatMessage(role="user", content=[LONG])
            with pytest.raises(StopResponse):
                await agent.on_user_turn_completed(llm.ChatContext.empty(), message)

        await interview.after((0.0, ask_again), (0.05, turn_ends))
        assert interview.said("candidate") == [("q0", LONG)]
        assert asked(interview) == ["q0", "q0"]


async def test_an_answer_during_a_recovery_step_gets_the_only_reply() -> None:
    async with held() as interview:
        agent = interview.agent

        async def ask_again() -> None:
            async with agent.exclusive.held():
                await asyncio.sleep(0.1)
                await agent.speak_next()

        await interview.after((0.0, ask_again), (0.05, lambda: agent.on_text(LONG)))
        assert interview.said("candidate") == [("q0", LONG)]
        assert asked(interview) == ASKED_ONCE


async def test_the_stop_waits_for_a_typed_answer_that_is_being_taken() -> None:
    async with held() as interview:
        agent = interview.agent
        await interview.after(
            (0.0, lambda: agent.on_text(LONG)),
            (0.05, lambda: agent.on_text("More.")),
            (0.1, lambda: agent.come_to_a_stop(0.0)),
        )
        assert interview.said("candidate") == [("q0", LONG), ("q0", "More.")]
        assert asked(interview) == ["q0"]


async def test_a_candidate_who_can_write_no_more_reads_so_and_may_answer_aloud() -> None:
    async with held() as interview:
        interview.agent.text_refused(for_good=True)
        await interview.after((0.1, lambda: interview.speaks(LONG)))
        assert interview.written == [NO_MORE]
        assert interview.said("candidate") == [("q0", LONG)]
        assert asked(interview) == ASKED_ONCE
