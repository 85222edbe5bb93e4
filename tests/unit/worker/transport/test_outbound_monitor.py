"""A room that becomes unavailable in the middle of an interview, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from livekit.agents import UserInputTranscribedEvent

from tests.support.virtual.interview_parts import LONG
from tests.support.virtual.stuck_parts import PLAN, UTTERANCE_S, Stuck, stuck_interview
from worker.clips.recordings import ClipName, load_clip
from worker.interview.orchestrator import Role

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

#: Seconds that cover the clip and an utterance, with margin.
TO_BE_SAID_S = load_clip(ClipName.BACK).duration_s + 2 * UTTERANCE_S

Beginning = Callable[..., Awaitable[Stuck]]


@pytest.fixture
async def beginning(tmp_path: Path) -> AsyncIterator[Beginning]:
    """Yield a function that begins an interview inside the test, where the clock is virtual."""
    begun: list[Stuck] = []

    async def begin(*fates: str) -> Stuck:
        begun.append(await stuck_interview(tmp_path, *fates))
        begun[-1].session.claims = True
        return begun[-1]

    yield begin
    for each in begun:
        await each.end()


def roles(stuck: Stuck) -> list[str]:
    """Return the roles of the turns."""
    return [turn["role"] or "answer" for turn in stuck.turns]


def hears(stuck: Stuck, text: str) -> None:
    """Emit a final transcript of the candidate."""
    event = UserInputTranscribedEvent(transcript=text, is_final=True)
    stuck.session.emit("user_input_transcribed", event)


async def asked(beginning: Beginning) -> Stuck:
    """Return an interview whose first question was heard."""
    stuck = await beginning()
    await asyncio.sleep(UTTERANCE_S + 0.5)
    assert roles(stuck) == ["opening"]
    return stuck


async def restart(stuck: Stuck, *, away_s: float = 3.0, comes_after_s: float = 2.0) -> None:
    """Simulate a killed and restarted server; the candidate returns some seconds later."""
    stuck.reach.room_lost()
    stuck.transport.move(here=False)
    await asyncio.sleep(away_s)
    stuck.reach.track_replaced()
    stuck.reach.room_back()
    await asyncio.sleep(comes_after_s)
    stuck.reach.subscribed()
    stuck.transport.move(here=True)
    stuck.reach.moved()


async def test_a_question_interrupted_by_a_lost_room_is_repeated_after_reconnecting(
    beginning: Beginning,
) -> None:
    stuck = await beginning()
    await asyncio.sleep(0.4 * UTTERANCE_S)
    lost_at = asyncio.get_running_loop().time()

    await restart(stuck)
    back_at = asyncio.get_running_loop().time()
    await asyncio.sleep(TO_BE_SAID_S)

    assert not [sound for sound in stuck.ear.sounds if lost_at + 0.1 < sound[0] < back_at]
    assert stuck.line.played == [ClipName.BACK]
    cut_off, again = stuck.turns
    assert (cut_off["role"], cut_off["interrupted"]) == (Role.OPENING, True)
    assert 0 < len(cut_off["heard"]) < 0.5 * len(cut_off["generated"])
    assert cut_off["generated"].startswith(cut_off["heard"])
    assert (again["role"], again["heard"]) == (Role.REPEAT, PLAN.questions[0].text)
    assert not again["interrupted"]
    assert stuck.away == [pytest.approx(5.0)]


async def test_a_short_disconnect_of_the_room_repeats_nothing(beginning: Beginning) -> None:
    stuck = await beginning()
    await asyncio.sleep(0.4 * UTTERANCE_S)

    stuck.reach.room_lost()
    await asyncio.sleep(0.5)
    stuck.reach.room_back()
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening"]
    assert not stuck.turns[0]["interrupted"]
    assert stuck.line.played == []


async def test_an_interrupted_answer_is_kept_and_its_question_repeated(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    stuck.session.candidate_is("speaking")
    hears(stuck, "I led a team")

    await restart(stuck)
    stuck.session.candidate_is("listening")
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "answer", "repeat"]
    assert (stuck.turns[1]["text"], stuck.turns[1]["interrupted"]) == ("I led a team", True)
    # The session's copy of the answer must not come back with the rest.
    assert stuck.session.answers_dropped == 1
    await stuck.answer("of five")
    await asyncio.sleep(TO_BE_SAID_S)
    assert roles(stuck)[3:] == ["answer", "question"]


async def test_a_participant_that_moves_during_the_return_costs_no_words_of_an_interrupted_answer(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    stuck.session.candidate_is("speaking")
    hears(stuck, "I led a team")

    await restart(stuck)
    for _ in range(3):
        await asyncio.sleep(0)
        stuck.reach.moved()
    stuck.session.candidate_is("listening")
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "answer", "repeat"]
    assert (stuck.turns[1]["text"], stuck.turns[1]["interrupted"]) == ("I led a team", True)
    assert len(stuck.away) == 1


async def test_an_answer_whose_turn_ends_while_disconnected_counts_as_interrupted(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    stuck.session.candidate_is("speaking")
    hears(stuck, "I led a team")
    stuck.reach.room_lost()
    await asyncio.sleep(1.0)
    stuck.session.candidate_is("listening")
    await stuck.answer("I led a team")

    await restart(stuck)
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "answer", "repeat"]
    assert stuck.turns[1]["interrupted"]
    assert stuck.turns[2]["text"] == PLAN.questions[0].text


async def test_a_complete_answer_gets_a_reply_and_the_question_is_not_repeated(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    hears(stuck, LONG)
    stuck.session.candidate_is("listening")

    await restart(stuck)
    await stuck.answer(LONG)
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "answer", "question"]
    assert not stuck.turns[1]["interrupted"]


async def test_a_question_is_repeated_if_its_answer_may_have_been_lost(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)

    await restart(stuck)
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "repeat"]
    assert stuck.line.played == [ClipName.BACK]


async def test_a_second_disconnect_is_waited_for_too(beginning: Beginning) -> None:
    stuck = await asked(beginning)

    await restart(stuck)
    await asyncio.sleep(0.5)
    await restart(stuck)
    await asyncio.sleep(TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "repeat"]
    assert not stuck.turns[-1]["interrupted"]
    assert stuck.line.played == [ClipName.BACK]


async def test_output_resumes_after_a_time_limit_without_a_resubscription(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    stuck.reach.room_lost()
    await asyncio.sleep(2.0)
    stuck.reach.track_replaced()
    stuck.reach.room_back()

    await asyncio.sleep(5.0)
    assert not stuck.line.listened
    await asyncio.sleep(5.0 + TO_BE_SAID_S)

    assert roles(stuck) == ["opening", "repeat"]


async def drop_out(stuck: Stuck, away_s: float) -> None:
    """Disconnect only the candidate for `away_s`."""
    stuck.transport.move(here=False)
    stuck.reach.person_left()
    await asyncio.sleep(away_s)
    stuck.transport.move(here=True)
    stuck.reach.moved()


async def test_a_question_asked_while_the_candidate_was_disconnected_is_repeated(
    beginning: Beginning,
) -> None:
    stuck = await beginning()
    await asyncio.sleep(0.4 * UTTERANCE_S)
    await drop_out(stuck, UTTERANCE_S + 1.0)
    await asyncio.sleep(TO_BE_SAID_S)
    assert roles(stuck) == ["opening", "repeat"]
    assert stuck.turns[1]["text"] == f"Welcome back. {PLAN.questions[0].text}"
    assert stuck.line.played == []


async def test_a_candidate_who_drops_out_during_an_answer_is_asked_the_question_again(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    stuck.session.candidate_is("speaking")
    hears(stuck, "I led a team")
    await drop_out(stuck, 8.0)
    stuck.session.candidate_is("listening")
    await asyncio.sleep(TO_BE_SAID_S)
    assert roles(stuck) == ["opening", "answer", "repeat"]
    assert (stuck.turns[1]["text"], stuck.turns[1]["interrupted"]) == ("I led a team", True)


async def test_a_candidate_who_joins_again_at_once_hears_the_question_again(
    beginning: Beginning,
) -> None:
    """As with a second tab of the browser, in which nothing was heard yet."""
    stuck = await asked(beginning)
    await drop_out(stuck, 0.0)
    await asyncio.sleep(TO_BE_SAID_S)
    assert roles(stuck) == ["opening", "repeat"]
    assert stuck.line.played == []


async def test_an_answer_with_a_very_short_absence_in_it_is_not_interrupted(
    beginning: Beginning,
) -> None:
    stuck = await asked(beginning)
    stuck.session.candidate_is("speaking")
    hears(stuck, "I led a team")
    await drop_out(stuck, 0.3)
    await asyncio.sleep(TO_BE_SAID_S)
    assert roles(stuck) == ["opening"]
    assert stuck.line.played == []
