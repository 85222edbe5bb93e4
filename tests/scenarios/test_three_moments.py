"""Losses before the job and while it loads; test_lost_in_a_turn covers later ones.

Each test is a whole interview. It checks the lifecycle's path, the condition and its reason, what
the candidate hears or reads and how soon, and that no word is lost or stored twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome, Reason, Status
from states.testing import assert_outcome, assert_path
from tests.support.virtual.moments import (
    BACK,
    BROKEN,
    DEGRADED,
    LOST,
    NEVER,
    PATIENCE_S,
    QUESTIONS,
    READY,
    assert_nothing_was_lost,
)
from tests.support.virtual.provider_fakes import FakeLLM
from tests.support.virtual.whole_interview import WholeInterview
from worker.clips.recordings import ClipName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.looptime


@pytest.fixture
def interview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WholeInterview]:
    return lambda **options: WholeInterview(tmp_path, monkeypatch, **options)


@pytest.mark.row("C4", "S3")
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
async def test_a_candidate_does_not_notice_a_missing_optional_resource(
    interview: Any, set_faults: str, resource: str, said: list[tuple[Status, str]]
) -> None:
    held = interview()
    held.models = {"first": FakeLLM("I", " see.")}
    await held.held(set_faults)

    assert_path(held.history, *DEGRADED)
    assert held.said_of(resource) == said
    assert_nothing_was_lost(held)
    assert held.transport.written == []
    # At most a filler clip while the interview waits for a late resource.
    assert set(held.transport.line.played) <= {ClipName.ONE_MOMENT}


@pytest.mark.row("B1")
@pytest.mark.parametrize(
    ("set_faults", "said"),
    [
        ("load.stt=raise", [(LOST, "FaultInjected")]),
        ("load.stt=hang", [(LOST, "LoadTimeout")]),
        ("load.stt=slow:9", [(LOST, "LoadTimeout"), (BACK, "Loaded")]),
    ],
)
async def test_without_stt_the_candidate_is_asked_to_type_at_once(
    interview: Any, set_faults: str, said: list[tuple[Status, str]]
) -> None:
    held = await interview().held(set_faults)

    assert_path(held.history, *DEGRADED)
    assert held.said_of("stt") == said
    assert_nothing_was_lost(held)
    assert held.transport.line.played[-1] == ClipName.TROUBLE_HEARING
    assert held.transport.written == [ClipName.TROUBLE_HEARING.text]


@pytest.mark.row("B1")
@pytest.mark.parametrize(
    ("set_faults", "said"),
    [
        ("load.tts=raise", [(LOST, "FaultInjected")]),
        ("load.tts=hang", [(LOST, "LoadTimeout")]),
    ],
)
async def test_without_tts_questions_come_as_text_and_a_clip_announces_it(
    interview: Any, set_faults: str, said: list[tuple[Status, str]]
) -> None:
    held = await interview().held(set_faults)

    assert_path(held.history, *DEGRADED)
    assert held.said_of("tts") == said
    assert_nothing_was_lost(held)
    assert held.transport.line.played[-1] == ClipName.TROUBLE_SPEAKING
    assert all(any(text in line for line in held.transport.written) for text in QUESTIONS)


@pytest.mark.row("B2")
async def test_a_late_tts_speaks_from_its_arrival_on(interview: Any) -> None:
    held = await interview().held("load.tts=slow:9")

    assert_path(held.history, *DEGRADED)
    assert held.said_of("tts") == [(LOST, "LoadTimeout"), (BACK, "Loaded")]
    assert_nothing_was_lost(held)
    assert QUESTIONS[0] in held.transport.written[0]
    assert len(held.transport.written) == 1, "the other questions were spoken"


@pytest.mark.row("S6")
@pytest.mark.parametrize("resource", ["stt", "tts"])
async def test_providers_that_cannot_be_created_are_reported_by_name(
    interview: Any, resource: str
) -> None:
    held = interview()
    engines = held.ears if resource == "stt" else held.voices
    engines.update(first=BROKEN, second=BROKEN)
    await held.held()

    assert_path(held.history, *DEGRADED)
    assert held.said_of(resource) == [(LOST, "NoProviderLeft")]
    assert_nothing_was_lost(held)


@pytest.mark.row("S8")
async def test_records_ship_when_a_database_down_from_the_start_is_back(interview: Any) -> None:
    held = interview()
    held.database.away = True
    held.in_answer[1] = lambda: setattr(held.database, "away", False)
    await held.held()

    assert_path(held.history, *DEGRADED)
    assert held.said_of("database") == [(LOST, "DatabaseUnavailable"), (BACK, "Shipping")]
    assert held.database.shipped > 0
    assert_nothing_was_lost(held)
    assert held.transport.line.played == held.transport.written == []


async def test_without_plan_and_database_loading_is_retried_during_a_one_moment_clip(
    interview: Any,
) -> None:
    held = interview(with_snapshot=False)
    held.database.away = True
    loop = asyncio.get_running_loop()
    loop.call_later(5.0, lambda: setattr(held.database, "away", False))
    await held.held()

    assert_path(held.history, *DEGRADED)
    assert held.said_of("orchestrator") == [(BACK, "Loaded")]
    assert held.transport.line.played == [ClipName.ONE_MOMENT]
    assert_nothing_was_lost(held)


@pytest.mark.row("C4", "S6", "B8")
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
    assert held.transport.line.played[-1] == ClipName.CANNOT_GO_ON
    assert held.waits_s() <= [PATIENCE_S]


async def test_a_late_orchestrator_is_waited_for(interview: Any) -> None:
    held = await interview().held("load.orchestrator=slow:4")

    assert_path(held.history, *READY)
    assert held.transport.line.played == [ClipName.ONE_MOMENT]
    assert_nothing_was_lost(held)
