"""The recovery of a stuck turn, step by step, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from states import Event, Lifecycle
from states.testing import history_of
from tests.support.virtual.interview_parts import LONG
from tests.support.virtual.model_parts import ModelStandIn, says
from tests.support.virtual.provider_fakes import FakeTTS, chain_of
from tests.support.virtual.stuck_parts import (
    DIGITAL_SILENCE,
    DUMB,
    PLAN,
    SPEAKS,
    STALLS,
    STUCK,
    Stuck,
    stuck_interview,
)
from worker.clips.recordings import ClipName
from worker.interview.recovery.stuck_turn_ladder import Rung
from worker.job.recorder import JobRecorder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

Begin = Callable[..., Awaitable[Stuck]]

OPENING = f"{PLAN.opening} {PLAN.questions[0].text}"
#: Allowed delay of a step in seconds: a step may wait for a clip that is being spoken.
A_WORD_S = 4.0


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Yield a function that begins an interview inside the test, where the clock is virtual."""
    begun: list[Stuck] = []

    async def one(*fates: str) -> Stuck:
        begun.append(await stuck_interview(tmp_path, *fates))
        return begun[-1]

    yield one
    for each in begun:
        await each.end()


async def test_a_spoken_utterance_needs_no_recovery(begin: Begin) -> None:
    interview = await begin()
    await asyncio.sleep(14)  # after 15 s a silent candidate is spoken to

    assert interview.session.spoken == [OPENING]
    assert interview.line.played == []
    assert interview.rungs == []


async def test_every_step_has_a_function(begin: Begin) -> None:
    interview = await begin()
    assert set(interview.ladder._steps) == set(Rung)


async def test_silence_before_the_greeting_is_filled_after_two_seconds(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(4.9)

    assert interview.ear.sounds[0][0] == pytest.approx(2.0, abs=0.1)
    assert interview.line.played == [ClipName.WELCOME]
    assert interview.rungs == []


async def test_silence_before_a_question_is_filled_with_another_clip(begin: Begin) -> None:
    interview = await begin(SPEAKS, STUCK)
    await asyncio.sleep(10)
    await interview.answer()
    await asyncio.sleep(3)

    assert interview.line.played == [ClipName.LET_ME_SEE]


@pytest.mark.row("B6")
async def test_all_recovery_steps_are_taken_in_order_and_on_time(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    interview = await begin(*[STUCK] * 9)

    async def refuse(_: str) -> None:
        raise OSError("no chat")

    monkeypatch.setattr(interview.transport, "write", refuse)  # the room takes no text either
    assert interview.ending is not None
    assert await interview.ending is Event.TURN_STUCK

    assert [rung for _, rung in interview.taken] == list(Rung)
    for (silent_s, rung, reason), step in zip(interview.rungs, Rung, strict=True):
        assert step.default_s <= silent_s <= step.default_s + A_WORD_S, rung
        assert reason == "SilentTurn"
    assert interview.ear.longest_silence_s(since=0, until=30) <= 5.0


@pytest.mark.row("B6")
async def test_a_stuck_utterance_is_cut_off_and_spoken_again(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(15)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN]
    assert interview.session.spoken == [OPENING]
    assert [turn["heard"] for turn in interview.turns] == [OPENING]


async def test_recovery_speaks_although_the_session_does_not_respond(begin: Begin) -> None:
    interview = await begin(STALLS)
    interview.session.deaf = True
    await asyncio.sleep(15)

    assert interview.session.spoken == [OPENING]


@pytest.mark.row("B6")
async def test_the_current_provider_is_rebuilt_and_keeps_its_place(begin: Begin) -> None:
    interview = await begin(STUCK, STUCK)
    made: list[FakeTTS] = []

    def make() -> FakeTTS:
        made.append(FakeTTS())
        return made[-1]

    interview.voices = chain_of("tts", elevenlabs=make, local=FakeTTS)
    next(interview.voices.candidates())
    await asyncio.sleep(16)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN, Rung.REBUILD]
    assert interview.session.spoken == [OPENING]
    assert made[0].closed
    name, voice = next(interview.voices.candidates())
    assert (name, voice) == ("elevenlabs", made[1])
    assert not made[1].closed
    await interview.voices.aclose()


@pytest.mark.row("B6")
async def test_the_chain_falls_back_to_the_next_provider(begin: Begin) -> None:
    interview = await begin(STUCK, STUCK, STUCK)
    interview.voices = chain_of("tts", elevenlabs=FakeTTS, local=FakeTTS)
    faults: list[tuple[str, str]] = []
    interview.voices.on_fault = lambda name, reason: faults.append((name, reason))
    await asyncio.sleep(17)

    assert [rung for _, rung in interview.taken] == [
        Rung.CLIP,
        Rung.AGAIN,
        Rung.REBUILD,
        Rung.NEXT,
    ]
    assert faults == [("elevenlabs", "ProviderTimeout")]
    assert interview.session.spoken == [OPENING]
    await interview.voices.aclose()


@pytest.mark.row("B6")
async def test_a_model_that_does_not_reply_is_skipped_for_one_turn_only(begin: Begin) -> None:
    interview = await begin()
    model = ModelStandIn(says(1000.0, "ACKNOWLEDGE: Thank you."))
    interview.orchestrator.use_model(model, first_word_s=1000, reply_s=1000)
    await asyncio.sleep(5)
    await interview.answer()
    await asyncio.sleep(25)

    assert [rung for _, rung in interview.taken][-1] == Rung.PLAN
    assert interview.session.spoken[-1] == PLAN.questions[1].text
    asked = len(model.asked)
    await interview.answer()
    await asyncio.sleep(1)
    assert len(model.asked) > asked


@pytest.mark.row("B6")
async def test_an_utterance_that_stays_stuck_is_sent_as_text_and_can_be_answered(
    begin: Begin,
) -> None:
    interview = await begin(*[STUCK] * 5)
    await asyncio.sleep(35)

    assert interview.transport.written == [OPENING]
    assert ClipName.TROUBLE_SPEAKING in interview.line.played
    (turn,) = interview.turns
    assert (turn["text"], turn["heard"], turn["generated"]) == (OPENING, "", OPENING)
    await interview.answer()
    await asyncio.sleep(2)
    assert interview.session.spoken == [PLAN.questions[1].text]


async def test_silence_counts_from_the_point_where_an_utterance_stalls(
    begin: Begin,
) -> None:
    interview = await begin(STALLS)
    await asyncio.sleep(4.9)

    assert interview.line.played == [ClipName.ONE_MOMENT], "played over the stalled utterance"
    await asyncio.sleep(6)
    assert interview.session.spoken == [OPENING]


async def test_digital_silence_does_not_count_as_sound(begin: Begin) -> None:
    interview = await begin(DIGITAL_SILENCE)
    await asyncio.sleep(15)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN]
    assert interview.session.spoken == [OPENING]


@pytest.mark.row("B6")
async def test_audible_speech_restarts_the_recovery(begin: Begin) -> None:
    interview = await begin(STUCK, STALLS, STUCK)
    await asyncio.sleep(22)

    assert [rung for _, rung in interview.taken][:4] == [
        Rung.CLIP,
        Rung.AGAIN,
        Rung.CLIP,
        Rung.AGAIN,
    ]


async def test_a_new_turn_restarts_the_recovery(begin: Begin) -> None:
    interview = await begin(STUCK, SPEAKS, STUCK)
    await asyncio.sleep(20)
    del interview.rungs[:]
    await interview.answer()
    await asyncio.sleep(6)

    assert interview.taken == [(5, Rung.CLIP)]


async def test_an_unspoken_utterance_is_retried_and_then_sent_as_text(
    begin: Begin,
) -> None:
    interview = await begin(DUMB, DUMB)
    await asyncio.sleep(2)

    assert [(rung, reason) for _, rung, reason in interview.rungs] == [
        (Rung.AGAIN, "UtteranceUnspoken"),
        (Rung.WRITE, "UtteranceUnspoken"),
    ]
    assert interview.transport.written == [OPENING]


async def test_an_answer_typed_during_the_clip_answers_the_question_sent_as_text(
    begin: Begin,
) -> None:
    interview = await begin(DUMB, DUMB)
    await asyncio.sleep(1.6)
    assert interview.transport.written == [OPENING]
    await interview.agent.on_text(LONG)
    await asyncio.sleep(10)

    assert [turn["question_id"] for turn in interview.turns] == ["q0", "q0", "q1"]
    assert interview.session.spoken == [PLAN.questions[1].text]


async def test_an_utterance_spoken_at_the_second_attempt_is_not_sent_as_text(begin: Begin) -> None:
    interview = await begin(DUMB)
    await asyncio.sleep(10)

    assert interview.session.spoken == [OPENING]
    assert interview.transport.written == []


@pytest.mark.row("B6")
async def test_a_recovery_step_is_recorded_with_its_name_and_the_silence_before_it() -> None:
    async with Lifecycle() as life:
        JobRecorder(life).rung(Rung.AGAIN, "SilentTurn", 8.01234)
        (fault,) = history_of(life).faults

    assert (fault["where"], fault["error"]) == ("turn", "SilentTurn")
    assert (fault["rung"], fault["silent_s"]) == ("again", 8.012)


# --- candidates who must not be disturbed -----------------------------------------------------


async def test_nothing_is_played_while_the_candidate_is_absent(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(1)
    interview.transport.move(here=False)
    await asyncio.sleep(20)
    assert interview.line.played == []
    assert interview.rungs == []

    interview.transport.move(here=True)
    await asyncio.sleep(4.9)
    assert interview.line.played == [ClipName.WELCOME]


async def test_nothing_is_played_while_the_candidate_speaks(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(1)
    interview.session.candidate_is("speaking")
    await asyncio.sleep(40)
    assert interview.ear.sounds == []

    interview.session.candidate_is("listening")
    spoke_until = interview.elapsed
    await asyncio.sleep(6)
    assert interview.ear.sounds[0][0] == pytest.approx(spoke_until + 2.0, abs=0.1)


async def test_a_candidate_who_thinks_in_silence_is_not_disturbed(begin: Begin) -> None:
    interview = await begin()
    await asyncio.sleep(40)

    assert interview.line.played == []
    assert interview.rungs == []


async def test_a_candidate_who_interrupts_before_the_first_word_gets_time_to_finish(
    begin: Begin,
) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(1)
    interview.session.candidate_is("speaking")
    await interview.session.interrupt(force=True)
    await asyncio.sleep(1)
    interview.session.candidate_is("listening")
    await asyncio.sleep(5)
    assert interview.ear.sounds == []


async def test_a_candidate_without_an_audio_subscription_gets_text(begin: Begin) -> None:
    interview = await begin()
    interview.ear.subscribes = False
    await asyncio.sleep(6)

    assert interview.transport.written == [OPENING]
    assert [(rung, reason) for _, rung, reason in interview.rungs] == [
        (Rung.WRITE, "NobodyListens")
    ]
    assert interview.turns[0]["heard"] == ""
    await interview.answer()
    await asyncio.sleep(2)
    assert interview.transport.written[1:] == [PLAN.questions[1].text], (
        "later questions are sent as text sooner"
    )


async def test_audio_queued_while_the_room_is_disconnected_is_not_lost(begin: Begin) -> None:
    interview = await begin()
    await asyncio.sleep(0.4)
    interview.line.hold()
    await asyncio.sleep(15)
    assert interview.session.spoken == []
    assert interview.rungs == []

    interview.line.release()
    await asyncio.sleep(1.5)
    assert interview.session.spoken == [OPENING]
    assert interview.line.played == []


async def test_recovery_of_a_stuck_turn_continues_once_the_room_is_back(begin: Begin) -> None:
    interview = await begin(STUCK)
    interview.line.hold()
    await asyncio.sleep(15)
    interview.line.release()
    await asyncio.sleep(13)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN]
    assert interview.session.spoken == [OPENING]


async def test_an_unreadable_clip_does_not_stop_the_recovery(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: ClipName) -> Any:
        raise OSError("no such clip")

    monkeypatch.setattr("worker.interview.recovery.stuck_turn_ladder.load_clip", missing)
    interview = await begin(STUCK)
    await asyncio.sleep(15)

    assert interview.session.spoken == [OPENING]
