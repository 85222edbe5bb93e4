"""What the table of losses says, at three moments: before the job, while it loads, in a turn.

Each is a whole interview: the way of its lifecycle, the condition with its reason, what the
candidate hears or reads and how soon, and that no word is lost or kept twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from provider_fakes import HANGS, FakeLLM, in_turn
from scripted_voice import HANG, Break, ScriptedTTS, Sound
from whole_interview import PLAN, WORDS, WholeInterview

from states import Outcome, Reason, Status
from states.testing import assert_outcome, assert_path
from worker.interview.clips import ClipName
from worker.interview.orchestrator_llm import OrchestratorLLM, Utterance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime

READY = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING", "CLOSING", "CLOSED")
DEGRADED = tuple(state.replace("READY", "DEGRADED") for state in READY)
NEVER = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED")
ALL_WORDS = list(range(1, len(PLAN.questions) * WORDS + 1))
ROLES = ["opening", "question", "question", "closing"]
QUESTIONS = [question.text for question in PLAN.questions]

#: Seconds that a candidate is left without a sound or a word at the most, but for the last case
#: of each resource: every provider of a kind lost at once, in the middle of a sentence.
PATIENCE_S = 2.0

BROKEN = RuntimeError("Ada said: hello")
LOST, BACK = Status.LOST, Status.READY


@pytest.fixture
def interview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WholeInterview]:
    return lambda **options: WholeInterview(tmp_path, monkeypatch, **options)


def assert_nothing_was_lost(held: WholeInterview) -> None:
    """It went on to its end, every word was kept once, and every question asked once."""
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.words == ALL_WORDS
    assert held.roles == ROLES
    assert max(held.waits_s()) <= PATIENCE_S


# --- before the job, and while it loads -----------------------------------------------------------


@pytest.mark.parametrize(
    ("set_faults", "resource", "said"),
    [
        ("load.vad=raise", "vad", [(LOST, "FaultInjected")]),
        ("load.vad=hang", "vad", [(LOST, "LoadTimeout")]),
        ("load.vad=slow:6", "vad", [(LOST, "LoadTimeout"), (BACK, "Loaded")]),
        ("load.vad=slow:9", "vad", [(LOST, "LoadTimeout"), (BACK, "Loaded")]),
        ("load.database=raise", "database", [(LOST, "FaultInjected")]),
        ("load.database=hang", "database", [(LOST, "LoadTimeout")]),
        ("load.database=slow:9", "database", [(LOST, "LoadTimeout"), (BACK, "Loaded")]),
        ("load.llm=raise", "llm", [(LOST, "FaultInjected")]),
        ("load.llm=slow:9", "llm", [(LOST, "LoadTimeout"), (BACK, "Loaded")]),
    ],
)
async def test_a_candidate_notices_nothing_of_what_an_interview_can_do_without(
    interview: Any, set_faults: str, resource: str, said: list[tuple[Status, str]]
) -> None:
    held = interview()
    held.models = {"first": FakeLLM("I", " see.")}
    await held.held(set_faults)

    assert_path(held.history, *DEGRADED)
    assert held.said_of(resource) == said
    assert_nothing_was_lost(held)
    assert held.stage.written == []
    # Nothing but a word while it waits for what is late.
    assert set(held.stage.line.played) <= {ClipName.ONE_MOMENT}


@pytest.mark.parametrize(
    ("set_faults", "said"),
    [
        ("load.stt=raise", [(LOST, "FaultInjected")]),
        ("load.stt=hang", [(LOST, "LoadTimeout")]),
        ("load.stt=slow:9", [(LOST, "LoadTimeout"), (BACK, "Loaded")]),
    ],
)
async def test_a_candidate_whom_nothing_hears_is_asked_to_type_at_once(
    interview: Any, set_faults: str, said: list[tuple[Status, str]]
) -> None:
    held = await interview().held(set_faults)

    assert_path(held.history, *DEGRADED)
    assert held.said_of("stt") == said
    assert_nothing_was_lost(held)
    assert held.stage.line.played[-1] == ClipName.TROUBLE_HEARING
    assert held.stage.written == [ClipName.TROUBLE_HEARING.text]


@pytest.mark.parametrize(
    ("set_faults", "said"),
    [
        ("load.tts=raise", [(LOST, "FaultInjected")]),
        ("load.tts=hang", [(LOST, "LoadTimeout")]),
    ],
)
async def test_what_nothing_can_speak_is_written_and_a_recorded_voice_says_so(
    interview: Any, set_faults: str, said: list[tuple[Status, str]]
) -> None:
    held = await interview().held(set_faults)

    assert_path(held.history, *DEGRADED)
    assert held.said_of("tts") == said
    assert_nothing_was_lost(held)
    assert held.stage.line.played[-1] == ClipName.TROUBLE_SPEAKING
    assert all(any(text in line for line in held.stage.written) for text in QUESTIONS)


async def test_a_voice_that_comes_late_speaks_from_then_on(interview: Any) -> None:
    held = await interview().held("load.tts=slow:9")

    assert_path(held.history, *DEGRADED)
    assert held.said_of("tts") == [(LOST, "LoadTimeout"), (BACK, "Loaded")]
    assert_nothing_was_lost(held)
    assert QUESTIONS[0] in held.stage.written[0]
    assert len(held.stage.written) == 1, "the other questions were spoken"


@pytest.mark.parametrize("resource", ["stt", "tts"])
async def test_providers_that_cannot_be_made_are_reported_by_name(
    interview: Any, resource: str
) -> None:
    held = interview()
    engines = held.ears if resource == "stt" else held.voices
    engines.update(first=BROKEN, second=BROKEN)
    await held.held()

    assert_path(held.history, *DEGRADED)
    assert held.said_of(resource) == [(LOST, "NoProviderLeft")]
    assert_nothing_was_lost(held)


async def test_a_database_that_is_away_before_the_job_ships_when_it_is_back(interview: Any) -> None:
    held = interview()
    held.database.away = True
    held.in_answer[1] = lambda: setattr(held.database, "away", False)
    await held.held()

    assert_path(held.history, *DEGRADED)
    assert held.said_of("database") == [(LOST, "DatabaseUnavailable"), (BACK, "Shipping")]
    assert held.database.shipped > 0
    assert_nothing_was_lost(held)
    assert held.stage.line.played == held.stage.written == []


async def test_without_plan_and_database_it_is_tried_behind_one_moment_please(
    interview: Any,
) -> None:
    held = interview(with_snapshot=False)
    held.database.away = True
    loop = asyncio.get_running_loop()
    loop.call_later(5.0, lambda: setattr(held.database, "away", False))
    await held.held()

    assert_path(held.history, *DEGRADED)
    assert held.said_of("orchestrator") == [(BACK, "Loaded")]
    assert held.stage.line.played == [ClipName.ONE_MOMENT]
    assert_nothing_was_lost(held)


@pytest.mark.parametrize(
    ("set_faults", "said", "reason"),
    [
        ("load.orchestrator=raise", [(LOST, "FaultInjected")], Reason.ORCHESTRATOR_FAILED),
        ("load.orchestrator=hang", [], Reason.BOOTSTRAP_TIMEOUT),
    ],
)
async def test_without_an_orchestrator_an_apology_is_heard(
    interview: Any, set_faults: str, said: list[tuple[Status, str]], reason: Reason
) -> None:
    held = await interview().held(set_faults)

    assert_path(held.history, *NEVER)
    assert_outcome(held.history, Outcome.FAILED, reason)
    assert held.said_of("orchestrator") == said
    assert held.stage.line.played[-1] == ClipName.CANNOT_GO_ON
    assert held.waits_s() <= [PATIENCE_S]


async def test_an_orchestrator_that_comes_late_is_waited_for(interview: Any) -> None:
    held = await interview().held("load.orchestrator=slow:4")

    assert_path(held.history, *READY)
    assert held.stage.line.played == [ClipName.ONE_MOMENT]
    assert_nothing_was_lost(held)


# --- in the middle of a turn ----------------------------------------------------------------------


@pytest.fixture
def break_orchestrator(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """From now on, and for so many seconds, the orchestrator has no words for the next turn."""
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


async def test_an_orchestrator_that_is_well_again_in_the_same_turn_goes_on(
    interview: Any, break_orchestrator: Callable[[float], None]
) -> None:
    held = interview()
    held.in_answer[0] = lambda: break_orchestrator(9.0)
    await held.held()

    assert_path(held.history, *READY)
    assert_nothing_was_lost(held)
    assert held.longest_silence_s() <= 5.0
    assert held.stage.line.played == [ClipName.LET_ME_SEE, ClipName.ONE_MOMENT]


async def test_an_orchestrator_that_stays_broken_ends_with_an_apology_and_all_that_was_said(
    interview: Any, break_orchestrator: Callable[[float], None]
) -> None:
    held = interview()
    held.in_answer[0] = lambda: break_orchestrator(3600.0)
    await held.held()

    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.FAILED, Reason.TURN_STUCK)
    assert held.words == ALL_WORDS[:WORDS]
    assert held.roles == ROLES[:1], "and nothing was said again that had been said before"
    assert held.waits_s()[1] <= PATIENCE_S
    assert held.stage.line.played[-1] == ClipName.CANNOT_GO_ON


async def test_a_database_that_goes_away_in_an_answer_costs_nothing(interview: Any) -> None:
    held = interview()
    held.in_answer[0] = lambda: setattr(held.database, "away", True)
    held.in_answer[1] = lambda: setattr(held.database, "away", False)
    await held.held()

    assert_path(held.history, *READY)
    assert held.said_of("database")[1:] == [(LOST, "DatabaseUnavailable"), (BACK, "Shipping")]
    assert_nothing_was_lost(held)
    assert held.stage.line.played == held.stage.written == []


@pytest.mark.parametrize("fate", [HANGS, BROKEN], ids=["hangs", "raises"])
async def test_the_next_ear_hears_the_answer_in_which_the_first_was_lost(
    interview: Any, fate: BaseException
) -> None:
    held = interview()
    ear = held.ears["first"]
    held.in_answer[0] = lambda: setattr(ear, "fate", in_turn(fate))
    await held.held()

    assert_path(held.history, *READY)
    assert (BACK, "Fallback") in held.said_of("stt")
    assert_nothing_was_lost(held)
    assert held.stage.line.played == held.stage.written == []


async def test_a_first_ear_that_is_well_again_hears_a_later_answer(interview: Any) -> None:
    held = interview()
    ear = held.ears["first"]
    held.in_answer[0] = lambda: setattr(ear, "fate", in_turn(BROKEN))
    held.in_answer[1] = lambda: setattr(ear, "fate", in_turn(None))
    await held.held()

    assert held.said_of("stt")[1:] == [(BACK, "Fallback"), (BACK, "Loaded")]
    assert_nothing_was_lost(held)


async def test_a_candidate_whom_nothing_hears_any_more_is_told_in_the_same_answer(
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
    assert held.stage.written == [ClipName.TROUBLE_HEARING.text]
    assert held.stage.line.played == [ClipName.TROUBLE_HEARING]
    assert held.roles == ROLES
    # What had been understood before is kept, and then the whole answer as it was typed.
    assert set(ALL_WORDS) == set(held.words)


async def test_the_next_voice_goes_on_where_the_first_one_stopped(interview: Any) -> None:
    held = interview()
    greeting = [[Sound(2.0)]] * 3
    held.voices["first"] = ScriptedTTS(*greeting, [Sound(0.5), HANG])
    await held.held()

    assert_path(held.history, *READY)
    assert held.said_of("tts")[1:] == [(BACK, "Fallback")]
    assert_nothing_was_lost(held)
    assert held.longest_silence_s() <= 2 * PATIENCE_S


@pytest.mark.parametrize("step", [HANG, Break()], ids=["hangs", "raises"])
async def test_with_all_voices_lost_in_a_sentence_it_is_written(interview: Any, step: Any) -> None:
    held = interview()
    greeting = [[Sound(2.0)]] * 3
    held.voices["first"] = ScriptedTTS(*greeting, [Sound(0.5), step], [step])
    held.voices["second"] = ScriptedTTS([step])
    await held.held()

    assert_path(held.history, *READY)
    assert_outcome(held.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert held.said_of("tts")[1:] == [(LOST, "NoProviderLeft")]
    assert held.words == ALL_WORDS
    assert ClipName.TROUBLE_SPEAKING in held.stage.line.played
    assert all(any(text in line for line in held.stage.written) for text in QUESTIONS[1:])
    assert held.longest_silence_s() <= 5.0


@pytest.mark.parametrize("fate", [HANGS, BROKEN], ids=["hangs", "raises"])
async def test_the_plan_has_words_where_the_model_has_none(
    interview: Any, fate: BaseException
) -> None:
    held = interview()
    held.models = {"first": FakeLLM("I", " see.", fate=in_turn(None, fate))}
    await held.held()

    assert_path(held.history, *READY)
    assert held.said_of("llm")[1:] == [(LOST, "NoProviderLeft")]
    assert_nothing_was_lost(held)
    assert held.stage.line.played == held.stage.written == []
