"""Losses in the middle of a turn; test_vad_lost_in_turn covers the VAD.

Whole interviews, as in test_three_moments.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.virtual.moments import (
    ALL_WORDS,
    BACK,
    BROKEN,
    LOST,
    PATIENCE_S,
    QUESTIONS,
    READY,
    ROLES,
    assert_nothing_was_lost,
)
from tests.support.virtual.provider_fakes import HANGS, FakeLLM, in_turn
from tests.support.virtual.scripted_voice import HANG, Break, ScriptedTTS, Sound
from tests.support.virtual.whole_interview import WORDS, WholeInterview
from worker.clips.recordings import ClipName
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.utterance_stream import Utterance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime


@pytest.fixture
def interview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WholeInterview]:
    return lambda **options: WholeInterview(tmp_path, monkeypatch, **options)


@pytest.fixture
def break_orchestrator(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that makes the orchestrator raise for the next `seconds`."""
    whole = OrchestratorLLM.next_utterance

    def break_for(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds

        def broken(orchestrator: OrchestratorLLM) -> Utterance:
            if loop.time() < until:
                raise BROKEN
            return whole(orchestrator)

        monkeypatch.setattr(OrchestratorLLM, "next_utterance", broken)

    return break_for


async def test_an_orchestrator_that_recovers_in_the_same_turn_continues(
    interview: Any, break_orchestrator: Callable[[float], None]
) -> None:
    held = interview()
    held.in_answer[0] = lambda: break_orchestrator(9.0)
    await held.held()

    assert_path(held.history, *READY)
    assert_nothing_was_lost(held)
    assert held.longest_silence_s() <= 5.0
    assert held.transport.line.played == [ClipName.LET_ME_SEE, ClipName.ONE_MOMENT]


async def test_an_orchestrator_that_stays_broken_ends_with_an_apology_and_all_turns_kept(
    interview: Any, break_orchestrator: Callable[[float], None]
) -> None:
    held = interview()
    held.in_answer[0] = lambda: break_orchestrator(3600.0)
    await held.held()

    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.FAILED, Reason.TURN_STUCK)
    assert held.words == ALL_WORDS[:WORDS]
    assert held.roles == ROLES[:1], "no turn was repeated"
    assert held.waits_s()[1] <= PATIENCE_S
    assert held.transport.line.played[-1] == ClipName.CANNOT_GO_ON


@pytest.mark.row("S6")
async def test_losing_the_database_during_an_answer_loses_nothing(interview: Any) -> None:
    held = interview()
    held.in_answer[0] = lambda: setattr(held.database, "away", True)
    held.in_answer[1] = lambda: setattr(held.database, "away", False)
    await held.held()

    assert_path(held.history, *READY)
    assert held.said_of("database")[1:] == [(LOST, "DatabaseUnavailable"), (BACK, "Shipping")]
    assert_nothing_was_lost(held)
    assert held.transport.line.played == held.transport.written == []


@pytest.mark.parametrize("fate", [HANGS, BROKEN], ids=["hangs", "raises"])
async def test_the_second_stt_transcribes_the_answer_in_which_the_first_failed(
    interview: Any, fate: BaseException
) -> None:
    held = interview()
    ear = held.ears["first"]
    held.in_answer[0] = lambda: setattr(ear, "fate", in_turn(fate))
    await held.held()

    assert_path(held.history, *READY)
    assert (BACK, "Fallback") in held.said_of("stt")
    assert_nothing_was_lost(held)
    assert held.transport.line.played == held.transport.written == []


async def test_a_recovered_first_stt_transcribes_a_later_answer(interview: Any) -> None:
    held = interview()
    ear = held.ears["first"]
    held.in_answer[0] = lambda: setattr(ear, "fate", in_turn(BROKEN))
    held.in_answer[1] = lambda: setattr(ear, "fate", in_turn(None))
    await held.held()

    assert held.said_of("stt")[1:] == [(BACK, "Fallback"), (BACK, "Loaded")]
    assert_nothing_was_lost(held)


async def test_losing_all_stt_asks_the_candidate_to_type_within_the_same_answer(
    interview: Any,
) -> None:
    held = interview()

    def lose_all() -> None:
        for ear in held.ears.values():
            ear.fate = in_turn(BROKEN)

    held.in_answer[0] = lose_all
    await held.held()

    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.said_of("stt")[1:] == [(LOST, "NoProviderLeft")]
    assert held.transport.written == [ClipName.TROUBLE_HEARING.text]
    assert held.transport.line.played == [ClipName.TROUBLE_HEARING]
    assert held.roles == ROLES
    # The text understood before the loss is kept, followed by the whole typed answer.
    assert set(ALL_WORDS) == set(held.words)


async def test_the_second_tts_continues_where_the_first_stopped(interview: Any) -> None:
    held = interview()
    greeting = [[Sound(2.0)]] * 3
    held.voices["first"] = ScriptedTTS(*greeting, [Sound(0.5), HANG])
    await held.held()

    assert_path(held.history, *READY)
    assert held.said_of("tts")[1:] == [(BACK, "Fallback")]
    assert_nothing_was_lost(held)
    assert held.longest_silence_s() <= 2 * PATIENCE_S


@pytest.mark.parametrize("step", [HANG, Break()], ids=["hangs", "raises"])
async def test_losing_all_tts_in_a_sentence_sends_it_as_text(interview: Any, step: Any) -> None:
    held = interview()
    greeting = [[Sound(2.0)]] * 3
    held.voices["first"] = ScriptedTTS(*greeting, [Sound(0.5), step], [step])
    held.voices["second"] = ScriptedTTS([step])
    await held.held()

    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.said_of("tts")[1:] == [(LOST, "NoProviderLeft")]
    assert held.words == ALL_WORDS
    assert ClipName.TROUBLE_SPEAKING in held.transport.line.played
    assert all(any(text in line for line in held.transport.written) for text in QUESTIONS[1:])
    assert held.longest_silence_s() <= 5.0


@pytest.mark.parametrize("fate", [HANGS, BROKEN], ids=["hangs", "raises"])
async def test_without_a_language_model_the_plans_texts_are_used(
    interview: Any, fate: BaseException
) -> None:
    held = interview()
    held.models = {"first": FakeLLM("I", " see.", fate=in_turn(None, fate))}
    await held.held()

    assert_path(held.history, *READY)
    assert held.said_of("llm")[1:] == [(LOST, "NoProviderLeft")]
    assert_nothing_was_lost(held)
    assert held.transport.line.played == held.transport.written == []
