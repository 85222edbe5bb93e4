"""The interviewer in a real AgentSession, in text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents import AgentSession, StopResponse, llm

from tests.support.virtual.interview_parts import LONG, SHORT, START, plan_of, question
from tests.support.virtual.model_parts import ModelStandIn, Reply, says
from worker.interview.conversation.endpointing import HURRIED_PAUSE_S, LEAST_ANSWER_S
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.orchestrator import CommittedTurn, Role
from worker.interview.orchestrator_llm import OrchestratorLLM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.interview.plan.plan import Plan

PLAN = plan_of(question(0, follow_ups=1), question(1))
QUESTIONS = PLAN.questions
FOLLOW_UP = "Which part of the matter was it?"


class Interview:
    """An interview in text, whose turns a test can await."""

    def __init__(self, orchestrator: OrchestratorLLM) -> None:
        self.orchestrator = orchestrator
        self.turns: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.keeping = asyncio.Event()
        self.keeping.set()
        self.being_kept = asyncio.Event()
        self.agent = Interviewer(orchestrator, self.keep)
        self.session: AgentSession[Any] = AgentSession(
            llm=orchestrator,
            vad=None,
            turn_handling={"turn_detection": None},
            user_away_timeout=None,
        )

    async def keep(self, **turn: Any) -> None:
        self.being_kept.set()
        await self.keeping.wait()
        self.turns.put_nowait(turn)

    async def said(self) -> dict[str, Any]:
        """Return the interviewer's next turn, once the plan has it as well."""
        await self.agent.speak_next()
        turn = await self.turns.get()
        for _ in range(3):
            await asyncio.sleep(0)
        return turn

    async def answer(self, text: str) -> dict[str, Any]:
        """End the candidate's turn as the framework does, and return the stored turn."""
        message = llm.ChatMessage(role="user", content=[text])
        await self.agent.on_user_turn_completed(llm.ChatContext(), message)
        return self.turns.get_nowait()


async def start(plan: Plan) -> Interview:
    orchestrator = OrchestratorLLM("iv-1", snapshot=plan.to_json())
    await orchestrator.init(None)
    interview = Interview(orchestrator)
    await interview.session.start(interview.agent, record=False, session_host=False)
    return interview


@pytest.fixture
async def interview() -> AsyncIterator[Interview]:
    interview = await start(PLAN)
    yield interview
    await interview.session.aclose()


async def test_the_whole_plan_is_spoken_word_for_word(interview: Interview) -> None:
    first, second = PLAN.questions
    assert (await interview.said())["text"] == f"{PLAN.opening} {first.text}"
    await interview.answer(SHORT)
    assert (await interview.said())["text"] == first.follow_ups[0]
    await interview.answer(LONG)
    assert (await interview.said())["text"] == second.text
    await interview.answer(LONG)
    assert not interview.agent.finished.is_set()
    assert (await interview.said())["text"] == PLAN.closing
    await interview.agent.finished.wait()


async def test_an_interviewer_turn_has_generated_and_heard_text(interview: Interview) -> None:
    turn = await interview.said()
    assert turn["speaker"] == "interviewer"
    assert turn["role"] == "opening"
    assert turn["question_id"] == "q0"
    assert turn["generated"] == turn["heard"] == turn["text"]
    assert turn["interrupted"] is False


async def test_a_candidate_turn_names_the_question_it_answers(interview: Interview) -> None:
    await interview.said()
    turn = await interview.answer(f"  {LONG} ")
    assert (turn["speaker"], turn["text"], turn["question_id"]) == ("candidate", LONG, "q0")


@pytest.mark.row("B10")
async def test_the_interviewer_does_not_reply_before_the_candidates_turn_is_recorded(
    interview: Interview,
) -> None:
    await interview.said()
    interview.keeping.clear()
    answering = asyncio.create_task(interview.answer(LONG))
    await asyncio.sleep(0)
    assert not answering.done()
    assert interview.orchestrator.next_move().role is Role.REPEAT

    interview.keeping.set()
    await answering
    assert interview.orchestrator.next_move().role is Role.QUESTION


async def test_an_answer_waits_for_the_record_of_the_utterance_it_cut_off(
    interview: Interview,
) -> None:
    interview.keeping.clear()
    await interview.agent.speak_next()
    await interview.being_kept.wait()
    answering = asyncio.create_task(interview.answer(LONG))
    await asyncio.sleep(0)
    interview.keeping.set()
    kept = await answering
    assert kept["speaker"] == "interviewer", "the utterance is recorded first"
    assert interview.turns.get_nowait()["speaker"] == "candidate"
    assert [turn.speaker for turn in interview.orchestrator.turns] == ["interviewer", "candidate"]


async def test_a_turn_that_cannot_be_recorded_does_not_silence_the_interviewer(
    interview: Interview,
) -> None:
    """An exception here would lose the turn and leave silence, with no error event."""
    await interview.said()

    async def fail(**_: Any) -> None:
        raise OSError("a disk that is full")

    interview.agent.answers._book._keep_turn = fail
    message = llm.ChatMessage(role="user", content=[LONG])
    await interview.agent.on_user_turn_completed(llm.ChatContext(), message)
    assert interview.orchestrator.next_move().role is Role.REPEAT


async def test_an_answer_after_the_closing_gets_no_reply() -> None:
    interview = await start(plan_of(question(0)))
    await interview.said()
    await interview.answer(LONG)
    await interview.said()
    with pytest.raises(StopResponse):
        await interview.answer("Goodbye.")
    assert interview.agent.finished.is_set()
    await interview.session.aclose()


async def test_an_interview_that_is_already_over_finishes_immediately() -> None:
    interview = await start(plan_of(question(0)))
    await interview.said()
    await interview.answer(LONG)
    await interview.said()
    interview.agent.finished.clear()
    await interview.agent.speak_next()
    assert interview.agent.finished.is_set()
    await interview.session.aclose()


async def test_the_question_sets_the_pause_that_ends_an_answer(
    interview: Interview, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to: list[Any] = []
    monkeypatch.setattr(interview.session, "update_options", lambda **o: set_to.append(o))
    await interview.said()
    assert set_to[-1]["endpointing_opts"]["min_delay"] == PLAN.questions[0].thinking_pause_s


async def test_an_utterance_recorded_after_the_session_closed_is_kept() -> None:
    interview = await start(PLAN)
    interview.keeping.clear()
    await interview.agent.speak_next()
    await interview.being_kept.wait()
    (record,) = interview.agent._utterances.recording
    await interview.session.aclose()
    interview.keeping.set()
    await record
    assert len(interview.orchestrator.turns) == 1


async def test_an_utterance_that_was_cut_off_before_it_was_heard_is_not_a_turn(
    interview: Interview,
) -> None:
    class Unheard:
        chat_items: tuple[llm.ChatItem, ...] = ()
        interrupted = True

    move = interview.orchestrator.next_move()
    await interview.agent._utterances.record(cast(Any, Unheard()), move)
    assert interview.turns.empty()
    assert interview.orchestrator.next_move() == move


# --- with a language model -----------------------------------------------------------------------


def use(interview: Interview, reply: Reply) -> ModelStandIn:
    model = ModelStandIn(reply)
    interview.orchestrator.use_model(model)
    return model


async def test_a_turn_has_the_generated_text_word_for_word(interview: Interview) -> None:
    use(interview, says("ACKNOWLEDGE: Thank you, that is clear."))
    await interview.said()
    await interview.answer(LONG)
    turn = await interview.said()
    words = f"Thank you, that is clear. {QUESTIONS[1].text}"
    assert turn["generated"] == turn["heard"] == turn["text"] == words
    assert (turn["role"], turn["question_id"]) == ("question", "q1")


async def test_a_model_follow_up_is_recorded_as_a_follow_up(interview: Interview) -> None:
    use(interview, says(f"FOLLOW-UP: {FOLLOW_UP}"))
    await interview.said()
    await interview.answer(LONG)
    turn = await interview.said()
    assert (turn["role"], turn["question_id"]) == ("follow_up", "q0")
    assert turn["generated"] == turn["text"] == FOLLOW_UP
    assert (await interview.said())["text"] == FOLLOW_UP, "it is not answered yet"
    await interview.answer(LONG)
    assert (await interview.said())["question_id"] == "q1"


async def test_a_turn_matches_the_spoken_text_if_another_was_committed_in_between(
    interview: Interview,
) -> None:
    await interview.said()
    await interview.answer(LONG)
    await interview.agent.speak_next()
    late = interview.orchestrator.next_move()
    interview.orchestrator.commit(
        CommittedTurn(
            speaker="interviewer",
            text=late.text,
            at=START,
            question_id=late.question_id,
            role=late.role,
            generated=late.text,
        )
    )
    turn = await interview.turns.get()
    assert turn["generated"] == turn["text"] == QUESTIONS[1].text
    assert turn["role"] == "question"


async def test_an_interruption_during_the_model_request_leaves_no_turn(
    interview: Interview,
) -> None:
    model = use(interview, says(1000.0, "ACKNOWLEDGE: Thank you."))
    interview.orchestrator.use_model(model, first_word_s=1000, reply_s=1000)
    await interview.said()
    await interview.answer(LONG)
    await interview.agent.speak_next()
    await model.is_asked.wait()
    await interview.session.interrupt()
    await model.has_ended.wait()
    assert interview.turns.empty()
    assert interview.orchestrator.next_move().role is Role.QUESTION


# --- the time of a question ----------------------------------------------------------------------


@pytest.fixture
def pauses(interview: Interview, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record each change of the silence that ends an answer."""
    changes: list[float] = []

    def note(*, endpointing_opts: Any) -> None:
        changes.append(endpointing_opts["min_delay"])

    monkeypatch.setattr(interview.session, "update_options", note)
    return changes


OWN_PAUSE_S = QUESTIONS[0].thinking_pause_s


@pytest.mark.looptime
async def test_an_answer_past_the_time_limit_ends_after_a_shorter_silence(
    interview: Interview, pauses: list[float]
) -> None:
    await interview.said()
    await asyncio.sleep(QUESTIONS[0].longest_time_s - 1)
    assert pauses == [OWN_PAUSE_S]
    await asyncio.sleep(2)
    assert pauses == [OWN_PAUSE_S, HURRIED_PAUSE_S]
    await interview.answer(LONG)
    assert pauses[-1] == OWN_PAUSE_S
    await asyncio.sleep(10_000)
    assert pauses[-1] == OWN_PAUSE_S


@pytest.mark.looptime
async def test_an_answer_within_the_time_limit_keeps_the_full_pause(
    interview: Interview, pauses: list[float]
) -> None:
    await interview.said()
    await asyncio.sleep(QUESTIONS[0].longest_time_s - 1)
    await interview.answer(LONG)
    await asyncio.sleep(10_000)
    assert set(pauses) == {OWN_PAUSE_S}


@pytest.mark.looptime
async def test_an_answer_to_a_follow_up_has_a_minimum_time(
    interview: Interview, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    await interview.said()
    await interview.answer(SHORT)
    monkeypatch.setattr(interview.orchestrator, "seconds_left", lambda: -100.0)
    assert (await interview.said())["role"] == "follow_up"
    del pauses[:]
    await asyncio.sleep(LEAST_ANSWER_S - 1)
    assert pauses == []
    await asyncio.sleep(2)
    assert pauses == [HURRIED_PAUSE_S]


@pytest.mark.looptime
async def test_a_closed_session_ignores_the_question_timer(interview: Interview) -> None:
    await interview.said()
    await interview.session.aclose()
    await asyncio.sleep(10_000)
