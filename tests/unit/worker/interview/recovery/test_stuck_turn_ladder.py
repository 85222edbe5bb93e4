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


async def test_a_voice_that_speaks_needs_no_ladder(begin: Begin) -> None:
    interview = await begin()
    await asyncio.sleep(30)

    assert interview.session.spoken == [OPENING]
    assert interview.line.played == []
    assert interview.rungs == []


async def test_silence_before_a_greeting_is_filled_after_two_seconds(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(4.9)

    assert interview.ear.sounds[0][0] == pytest.approx(2.0, abs=0.1)
    assert interview.line.played == [ClipName.WELCOME]
    assert interview.rungs == []


async def test_silence_before_a_question_is_filled_by_another_word(begin: Begin) -> None:
    interview = await begin(SPEAKS, STUCK)
    await asyncio.sleep(10)
    await interview.answer()
    await asyncio.sleep(3)

    assert interview.line.played == [ClipName.LET_ME_SEE]


@pytest.mark.row("B6")
async def test_the_whole_ladder_is_climbed_in_its_order_and_at_its_times(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    interview = await begin(*[STUCK] * 9)

    async def refuse(_: str) -> None:
        raise OSError("no chat")

    monkeypatch.setattr(interview.stage, "write", refuse)  # the room takes no text either
    assert interview.ending is not None
    assert await interview.ending is Event.TURN_STUCK

    assert [rung for _, rung in interview.taken] == list(Rung)
    for (silent_s, rung, reason), due_s in zip(
        interview.rungs, (5, 8, 11, 14, 17, 20, 30), strict=True
    ):
        assert due_s <= silent_s <= due_s + A_WORD_S, rung
        assert reason == "SilentTurn"
    assert interview.ear.longest_silence_s(since=0, until=30) <= 5.0


@pytest.mark.row("B6")
async def test_what_is_stuck_is_cut_off_and_said_again(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(15)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN]
    assert interview.session.spoken == [OPENING]
    assert [turn["heard"] for turn in interview.turns] == [OPENING]


async def test_a_session_that_does_not_answer_is_spoken_over(begin: Begin) -> None:
    interview = await begin(STALLS)
    interview.session.deaf = True
    await asyncio.sleep(15)

    assert interview.session.spoken == [OPENING]


@pytest.mark.row("B6")
async def test_the_voice_that_serves_is_made_anew_and_keeps_its_place(begin: Begin) -> None:
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
async def test_the_voice_that_serves_is_left_for_the_next_of_its_chain(begin: Begin) -> None:
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
async def test_a_model_that_does_not_answer_is_left_out_of_this_turn_only(begin: Begin) -> None:
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
async def test_words_that_stay_stuck_are_written_and_can_be_answered(begin: Begin) -> None:
    interview = await begin(*[STUCK] * 5)
    await asyncio.sleep(35)

    assert interview.stage.written == [OPENING]
    assert ClipName.TROUBLE_SPEAKING in interview.line.played
    (turn,) = interview.turns
    assert (turn["text"], turn["heard"], turn["generated"]) == (OPENING, "", OPENING)
    await interview.answer()
    await asyncio.sleep(2)
    assert interview.session.spoken == [PLAN.questions[1].text]


async def test_an_utterance_that_stalls_in_the_middle_is_silence_from_there_on(
    begin: Begin,
) -> None:
    interview = await begin(STALLS)
    await asyncio.sleep(4.9)

    assert interview.line.played == [ClipName.ONE_MOMENT], "over the utterance that has stalled"
    await asyncio.sleep(6)
    assert interview.session.spoken == [OPENING]


async def test_digital_silence_is_no_sound(begin: Begin) -> None:
    interview = await begin(DIGITAL_SILENCE)
    await asyncio.sleep(15)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN]
    assert interview.session.spoken == [OPENING]


@pytest.mark.row("B6")
async def test_speech_that_is_heard_puts_the_ladder_at_its_foot(begin: Begin) -> None:
    interview = await begin(STUCK, STALLS, STUCK)
    await asyncio.sleep(22)

    assert [rung for _, rung in interview.taken][:4] == [
        Rung.CLIP,
        Rung.AGAIN,
        Rung.CLIP,
        Rung.AGAIN,
    ]


async def test_a_new_turn_begins_at_the_foot(begin: Begin) -> None:
    interview = await begin(STUCK, SPEAKS, STUCK)
    await asyncio.sleep(20)
    del interview.rungs[:]
    await interview.answer()
    await asyncio.sleep(6)

    assert interview.taken == [(5, Rung.CLIP)]


async def test_words_that_no_voice_can_speak_are_said_again_and_then_written(
    begin: Begin,
) -> None:
    interview = await begin(DUMB, DUMB)
    await asyncio.sleep(2)

    assert [(rung, reason) for _, rung, reason in interview.rungs] == [
        (Rung.AGAIN, "UtteranceUnspoken"),
        (Rung.WRITE, "UtteranceUnspoken"),
    ]
    assert interview.stage.written == [OPENING]


async def test_an_answer_typed_before_the_clip_is_over_answers_what_was_written(
    begin: Begin,
) -> None:
    interview = await begin(DUMB, DUMB)
    await asyncio.sleep(1.6)
    assert interview.stage.written == [OPENING]
    await interview.agent.on_text(LONG)
    await asyncio.sleep(10)

    assert [turn["question_id"] for turn in interview.turns] == ["q0", "q0", "q1"]
    assert interview.session.spoken == [PLAN.questions[1].text]


async def test_words_that_are_spoken_at_the_second_try_are_not_written(begin: Begin) -> None:
    interview = await begin(DUMB)
    await asyncio.sleep(10)

    assert interview.session.spoken == [OPENING]
    assert interview.stage.written == []


@pytest.mark.row("B6")
async def test_a_rung_is_a_record_of_its_name_and_of_the_silence_before_it() -> None:
    async with Lifecycle() as life:
        JobRecorder(life).rung(Rung.AGAIN, "SilentTurn", 8.01234)
        (fault,) = history_of(life).faults

    assert (fault["where"], fault["error"]) == ("turn", "SilentTurn")
    assert (fault["rung"], fault["silent_s"]) == ("again", 8.012)


# --- candidates who must not be disturbed -----------------------------------------------------


async def test_nothing_is_said_to_a_candidate_who_is_away(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(1)
    interview.stage.move(here=False)
    await asyncio.sleep(20)
    assert interview.line.played == []
    assert interview.rungs == []

    interview.stage.move(here=True)
    await asyncio.sleep(4.9)
    assert interview.line.played == [ClipName.WELCOME]


async def test_a_candidate_who_speaks_is_not_talked_over(begin: Begin) -> None:
    interview = await begin(STUCK)
    await asyncio.sleep(1)
    interview.session.candidate_is("speaking")
    await asyncio.sleep(40)
    assert interview.ear.sounds == []

    interview.session.candidate_is("listening")
    spoke_until = interview.elapsed
    await asyncio.sleep(6)
    assert interview.ear.sounds[0][0] == pytest.approx(spoke_until + 2.0, abs=0.1)


async def test_a_candidate_may_think_in_silence(begin: Begin) -> None:
    interview = await begin()
    await asyncio.sleep(40)

    assert interview.line.played == []
    assert interview.rungs == []


async def test_who_interrupts_before_a_word_was_heard_is_given_time_to_finish(
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


async def test_a_candidate_who_subscribes_to_nothing_is_written_to(begin: Begin) -> None:
    interview = await begin()
    interview.ear.subscribes = False
    await asyncio.sleep(6)

    assert interview.stage.written == [OPENING]
    assert [(rung, reason) for _, rung, reason in interview.rungs] == [
        (Rung.WRITE, "NobodyListens")
    ]
    assert interview.turns[0]["heard"] == ""
    await interview.answer()
    await asyncio.sleep(2)
    assert interview.stage.written[1:] == [PLAN.questions[1].text], "and soon, from now on"


async def test_what_is_played_while_the_room_is_away_is_not_lost(begin: Begin) -> None:
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


async def test_a_stuck_turn_goes_on_being_mended_once_the_room_is_back(begin: Begin) -> None:
    interview = await begin(STUCK)
    interview.line.hold()
    await asyncio.sleep(15)
    interview.line.release()
    await asyncio.sleep(13)

    assert [rung for _, rung in interview.taken] == [Rung.CLIP, Rung.AGAIN]
    assert interview.session.spoken == [OPENING]


async def test_a_clip_that_cannot_be_read_stops_nothing(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: ClipName) -> Any:
        raise OSError("no such clip")

    monkeypatch.setattr("worker.interview.recovery.stuck_turn_ladder.load_clip", missing)
    interview = await begin(STUCK)
    await asyncio.sleep(15)

    assert interview.session.spoken == [OPENING]
