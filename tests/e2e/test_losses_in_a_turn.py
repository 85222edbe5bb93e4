"""The loss and recovery of each resource in the middle of a turn, on real parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from states import Outcome, Reason, Status
from states.testing import assert_outcome, assert_path
from tests.support.live.breakable import THANKS, Parts, breakable_parts
from tests.support.live.losses import LOSSES
from tests.support.live.losses_in_a_turn import NEXT, PLAN, Held, hold
from tests.support.live.one_question import ALL_THE_WAY
from tests.support.live.running_worker import RunningWorker
from worker.clips.recordings import ClipName

if TYPE_CHECKING:
    from tests.support.live.scenarios import Record
    from worker.simulation.livekit_server import LiveKitServer

pytestmark = [
    pytest.mark.xdist_group("losses"),
    pytest.mark.rotates,
    pytest.mark.alone,
    # The parts and their worker are shared between tests, so the event loop is shared as well.
    pytest.mark.asyncio(loop_scope="module"),
]

#: Limit in seconds for silence in the interviewer's turn on a shared machine; also the goal.
LONGEST_SILENCE_S = 5.0
#: Seconds within which the candidate is informed of a loss.
TOLD_S = 5.0
#: Seconds from the return of a resource to its recovery, if nothing else is needed: the longest
#: retry delay that so short a loss reaches, plus the retry.
RECOVERED_S = 8.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory, voices: None) -> AsyncIterator[Parts]:
    async with breakable_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(livekit_server: LiveKitServer, parts: Parts) -> AsyncIterator[RunningWorker]:
    """Yield one shared worker; each resource must be available again after each interview."""
    worker = RunningWorker(livekit_server, parts.settings)
    try:
        await worker.start()
        worker.settings["DATABASE_URL"] = parts.database_url
        yield worker
    finally:
        await worker.discard()


def assert_held(held: Held, resource: str, reason: str, record: Record) -> float:
    """Assert a completed interview with no turn lost or doubled, no long silence, and a recovery.

    Return the seconds from the return of the resource to its recovery.
    """
    record("silences_s", " ".join(f"{turn.longest_silence_s:.1f}" for turn in held.turns))
    assert_path(held.job, *ALL_THE_WAY)
    assert_outcome(held.job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert (held.lost, held.doubled) == ([], [])
    assert held.longest_silence_s <= LONGEST_SILENCE_S
    assert [lost.reason for lost in held.changes(resource, Status.LOST)] == [reason]
    assert held.job.conditions[resource].status is Status.READY
    recovered_s = held.recovered_s(resource)
    assert recovered_s is not None
    record("recovered_s", f"{recovered_s:.1f}")
    return recovered_s


async def test_losing_the_database_during_an_answer_is_not_noticed(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["database"])

    recovered_s = assert_held(held, "database", "DatabaseUnavailable", record_property)
    assert held.read == ()
    assert recovered_s <= RECOVERED_S


async def test_losing_the_vad_during_an_answer_is_not_noticed(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["vad"])

    recovered_s = assert_held(held, "vad", "VADFailed", record_property)
    assert held.read == ()
    assert recovered_s <= RECOVERED_S


async def test_losing_stt_during_an_answer_makes_the_candidate_type(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["stt"])

    assert_held(held, "stt", "NoProviderLeft", record_property)
    assert [each.text for each in held.read] == [ClipName.TROUBLE_HEARING.text]
    assert "having trouble hearing" in held.heard
    assert held.told_s() <= TOLD_S


async def test_stt_that_recovers_soon_transcribes_the_missed_speech(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["stt, soon back"])

    recovered_s = assert_held(held, "stt", "NoProviderLeft", record_property)
    assert recovered_s <= RECOVERED_S


async def test_losing_tts_during_a_question_sends_it_as_text(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["tts"])

    assert_held(held, "tts", "NoProviderLeft", record_property)
    assert [each.text for each in held.read] == [NEXT.text]
    assert "trouble speaking" in held.heard
    assert held.told_s() <= TOLD_S


async def test_losing_the_language_model_during_a_turn_loses_only_its_words(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["llm"])

    assert_held(held, "llm", "NoProviderLeft", record_property)
    question, closing = [turn.text for turn in held.job.turns if turn.speaker == "interviewer"][-2:]
    assert question == NEXT.text
    assert closing == f"{THANKS} {PLAN.closing}"
