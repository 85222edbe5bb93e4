"""Each resource is lost in the middle of a turn, on real parts, and comes back."""

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
from worker.interview.clips import ClipName

if TYPE_CHECKING:
    from tests.support.live.scenarios import Record
    from worker.demo.livekit_server import LiveKitServer

pytestmark = [
    pytest.mark.xdist_group("losses"),
    pytest.mark.rotates,
    pytest.mark.alone,
    # The parts and their worker are shared, so the event loop is.
    pytest.mark.asyncio(loop_scope="module"),
]

#: Seconds of silence in the interviewer's turn, a shared machine included (the goal is 5).
LONGEST_SILENCE_S = 5.0
#: Seconds until a candidate who has lost something knows of it.
TOLD_S = 5.0
#: Seconds from the return of a resource to its recovery, where nothing else is needed: the
#: longest pause between two tries that so short a loss comes to, and the try.
RECOVERED_S = 8.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory, voices: None) -> AsyncIterator[Parts]:
    async with breakable_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(livekit_server: LiveKitServer, parts: Parts) -> AsyncIterator[RunningWorker]:
    """One for all: whatever is lost in one interview is there in the next."""
    worker = RunningWorker(livekit_server, parts.settings)
    try:
        await worker.start()
        worker.settings["DATABASE_URL"] = parts.database_url
        yield worker
    finally:
        await worker.discard()


def assert_held(held: Held, resource: str, reason: str, record: Record) -> float:
    """To its end, no turn lost or doubled, nobody left in silence; lost, and back again.

    Returns the seconds from the resource's return to that.
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


async def test_a_database_that_goes_in_the_middle_of_an_answer_is_not_noticed(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["database"])

    recovered_s = assert_held(held, "database", "DatabaseUnavailable", record_property)
    assert held.read == ()
    assert recovered_s <= RECOVERED_S


async def test_a_vad_that_goes_in_the_middle_of_an_answer_is_not_noticed(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["vad"])

    recovered_s = assert_held(held, "vad", "VADFailed", record_property)
    assert held.read == ()
    assert recovered_s <= RECOVERED_S


async def test_speech_to_text_that_goes_in_the_middle_of_an_answer_makes_the_candidate_type(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["stt"])

    assert_held(held, "stt", "NoProviderLeft", record_property)
    assert [each.text for each in held.read] == [ClipName.TROUBLE_HEARING.text]
    assert "having trouble hearing" in held.heard
    assert held.told_s() <= TOLD_S


async def test_speech_to_text_that_is_soon_back_understands_what_was_said_to_nobody(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["stt, soon back"])

    recovered_s = assert_held(held, "stt", "NoProviderLeft", record_property)
    assert recovered_s <= RECOVERED_S


async def test_a_voice_that_goes_in_the_middle_of_a_question_writes_it(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["tts"])

    assert_held(held, "tts", "NoProviderLeft", record_property)
    assert [each.text for each in held.read] == [NEXT.text]
    assert "trouble speaking" in held.heard
    assert held.told_s() <= TOLD_S


async def test_a_language_model_that_goes_in_the_middle_of_a_turn_costs_its_words_alone(
    worker: RunningWorker, parts: Parts, record_property: Record
) -> None:
    held = await hold(worker, parts, LOSSES["llm"])

    assert_held(held, "llm", "NoProviderLeft", record_property)
    question, closing = [turn.text for turn in held.job.turns if turn.speaker == "interviewer"][-2:]
    assert question == NEXT.text
    assert closing == f"{THANKS} {PLAN.closing}"
