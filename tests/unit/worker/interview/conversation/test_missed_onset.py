"""An interviewer that joins in the middle of an answer and missed its onset, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from livekit.agents import UserInputTranscribedEvent

from tests.support.virtual.interview_parts import LONG, Talk
from tests.support.virtual.stuck_parts import PLAN, UTTERANCE_S, Stuck, stuck_interview
from worker.clips.recordings import ClipName, load_clip
from worker.interview.conversation.missed_onset import REACTION_S, TEXT_WITHIN_S, MissedOnset
from worker.interview.orchestrator import next_move

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

#: Seconds that cover the clip and an utterance, with margin.
TO_BE_SAID_S = load_clip(ClipName.BACK).duration_s + 2 * UTTERANCE_S
QUESTION = PLAN.questions[0].text
REST = "and after that the garden."

Beginning = Callable[[], Awaitable[Stuck]]


@pytest.fixture
async def begun() -> AsyncIterator[list[Stuck]]:
    """Yield the list of a test's interviews, and end them after the test."""
    interviews: list[Stuck] = []
    yield interviews
    for each in interviews:
        await each.end()


@pytest.fixture
def successor(tmp_path: Path, begun: list[Stuck]) -> Beginning:
    """Return a function that begins as a successor: the question is asked, no answer heard yet."""

    async def begin() -> Stuck:
        asked = Talk().asked(next_move(PLAN, ())).turns
        begun.append(await stuck_interview(tmp_path, turns=asked))
        await asyncio.sleep(0.05)
        return begun[-1]

    return begin


@pytest.fixture
def asked(tmp_path: Path, begun: list[Stuck]) -> Beginning:
    """Return a function that begins an interview and returns once its first question was heard."""

    async def begin() -> Stuck:
        begun.append(await stuck_interview(tmp_path))
        await asyncio.sleep(UTTERANCE_S + 0.5)
        return begun[-1]

    return begin


async def says(stuck: Stuck, text: str, *, for_s: float = 1.0) -> None:
    """Let the candidate speak, which interrupts the session's speech, and emit the transcript."""
    stuck.session.candidate_is("speaking")
    await stuck.session.interrupt(force=True)
    await asyncio.sleep(for_s)
    stuck.session.candidate_is("listening")
    await asyncio.sleep(0.3)
    if text:
        event = UserInputTranscribedEvent(transcript=text, is_final=True)
        stuck.session.emit("user_input_transcribed", event)


async def turn_ends(stuck: Stuck, text: str) -> None:
    """Wait for the pause after which the framework ends the candidate's turn."""
    await asyncio.sleep(1.0)
    await stuck.session.interrupt(force=True)
    await stuck.answer(text)


def kept(stuck: Stuck) -> list[tuple[str, str, bool]]:
    """Return the turns as role, text and whether the turn was cut off."""
    return [(turn["role"] or "answer", turn["text"], turn["interrupted"]) for turn in stuck.turns]


async def after_first_sound(stuck: Stuck, seconds: float) -> None:
    """Wait until `seconds` after the interviewer's first sound since its return."""
    heard_at = stuck.line.first_heard_at
    assert heard_at is not None
    await asyncio.sleep(heard_at + seconds - asyncio.get_running_loop().time())


async def test_an_answer_under_way_when_a_successor_joins_is_asked_for_again(
    successor: Beginning,
) -> None:
    stuck = await successor()
    await says(stuck, REST)
    await turn_ends(stuck, REST)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck) == [("answer", REST, True), ("repeat", QUESTION, False)]

    await says(stuck, LONG)
    await turn_ends(stuck, LONG)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck)[2:] == [
        ("answer", LONG, False),
        ("question", PLAN.questions[1].text, False),
    ]


@pytest.mark.parametrize(
    ("reacts_s", "is_half"), [(REACTION_S - 0.1, True), (REACTION_S + 0.1, False)]
)
async def test_speech_after_the_reaction_time_is_a_complete_answer(
    successor: Beginning, reacts_s: float, is_half: bool
) -> None:
    stuck = await successor()
    await after_first_sound(stuck, reacts_s)
    await says(stuck, LONG)
    await turn_ends(stuck, LONG)
    await asyncio.sleep(TO_BE_SAID_S)
    following = "repeat" if is_half else "question"
    assert [role for role, _, _ in kept(stuck)] == ["answer", following]
    assert kept(stuck)[0] == ("answer", LONG, is_half)


async def test_long_speech_with_a_missed_onset_ends_before_the_question_is_repeated(
    successor: Beginning,
) -> None:
    stuck = await successor()
    await says(stuck, REST, for_s=60.0)
    assert kept(stuck) == []
    await turn_ends(stuck, REST)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck) == [("answer", REST, True), ("repeat", QUESTION, False)]


async def test_speech_after_a_short_pause_still_has_a_missed_onset(successor: Beginning) -> None:
    stuck = await successor()
    await says(stuck, "", for_s=4.0)
    await says(stuck, REST)
    await turn_ends(stuck, REST)
    assert kept(stuck) == [("answer", REST, True)]


async def test_a_cough_without_a_transcript_does_not_make_the_next_answer_partial(
    successor: Beginning,
) -> None:
    stuck = await successor()
    await says(stuck, "", for_s=0.3)
    # The framework resumes the interrupted speech, because no transcript followed.
    await stuck.agent.speak_next()
    await asyncio.sleep(TO_BE_SAID_S)
    await says(stuck, LONG)
    await turn_ends(stuck, LONG)
    assert kept(stuck) == [("repeat", QUESTION, False), ("answer", LONG, False)]


async def test_a_typed_answer_is_complete_and_recorded_after_the_partial_spoken_one(
    successor: Beginning,
) -> None:
    stuck = await successor()
    await says(stuck, REST)
    await stuck.agent.on_text(LONG)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck) == [
        ("answer", REST, True),
        ("answer", LONG, False),
        ("question", PLAN.questions[1].text, False),
    ]
    assert stuck.session.answers_dropped == 1


async def test_the_first_interviewer_misses_no_onset(asked: Beginning) -> None:
    stuck = await asked()
    await says(stuck, LONG)
    await turn_ends(stuck, LONG)
    assert kept(stuck)[1:] == [("answer", LONG, False)]


# --- after an outage --------------------------------------------------------------------------


async def come_back(stuck: Stuck) -> None:
    """Make the room unavailable for three seconds."""
    stuck.reach.room_lost()
    await asyncio.sleep(3.0)
    stuck.reach.room_back()
    await asyncio.sleep(0.05)


async def test_an_answer_under_way_when_the_room_is_back_is_asked_for_again(
    asked: Beginning,
) -> None:
    stuck = await asked()
    await come_back(stuck)
    await says(stuck, REST)
    await turn_ends(stuck, REST)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck)[1:] == [("answer", REST, True), ("repeat", QUESTION, False)]


async def test_an_answer_that_starts_after_the_return_was_heard_is_complete(
    asked: Beginning,
) -> None:
    stuck = await asked()
    await come_back(stuck)
    await after_first_sound(stuck, REACTION_S + 0.1)
    await says(stuck, LONG)
    await turn_ends(stuck, LONG)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck)[1:] == [
        ("answer", LONG, False),
        ("question", PLAN.questions[1].text, False),
    ]


async def test_speech_that_ends_as_the_candidate_returns_has_a_missed_onset(
    asked: Beginning,
) -> None:
    """Only the candidate was gone: the microphone is received before the output is heard."""
    stuck = await asked()
    stuck.transport.move(here=False)
    stuck.reach.person_left()
    await asyncio.sleep(3.0)
    stuck.transport.move(here=True)
    stuck.reach.moved()
    await says(stuck, REST, for_s=0.1)
    await asyncio.sleep(0.2)
    await turn_ends(stuck, REST)
    await asyncio.sleep(TO_BE_SAID_S)
    assert kept(stuck)[1:] == [
        ("repeat", f"Welcome back. {QUESTION}", False),
        ("answer", REST, True),
        ("repeat", QUESTION, False),
    ]


# --- audio output and microphone --------------------------------------------------------------


class Line:
    """An audio output whose first sound a test sets."""

    first_heard_at: float | None = None

    def mark(self) -> None:
        self.first_heard_at = None

    def sounds(self) -> None:
        self.first_heard_at = asyncio.get_running_loop().time()


async def hears_microphone(missed: MissedOnset) -> None:
    """Receive one frame of the microphone."""

    async def frames() -> AsyncIterator[str]:
        yield "frame"

    assert [frame async for frame in missed.listening(frames())] == ["frame"]


async def test_speech_that_starts_with_the_first_microphone_frame_has_a_missed_onset() -> None:
    line, missed = Line(), MissedOnset(lambda: "")
    missed.came(line)
    line.sounds()
    await asyncio.sleep(2.0)
    await hears_microphone(missed)
    await asyncio.sleep(0.2)
    missed.candidate_moved(speaks=True)
    assert missed.cut
    missed.stop()


async def test_an_answer_to_a_question_sent_as_text_has_no_missed_onset() -> None:
    missed = MissedOnset(lambda: "")
    missed.came(Line())
    missed.asked()
    missed.candidate_moved(speaks=True)
    assert not missed.cut


async def test_the_missed_onset_ends_with_the_first_pause_after_the_commit() -> None:
    text = REST
    missed = MissedOnset(lambda: text)
    missed.came(Line())
    missed.candidate_moved(speaks=True)
    missed.taken()
    assert missed.cut  # the candidate is still speaking the rest
    missed.candidate_moved(speaks=False)
    text = ""
    await asyncio.sleep(TEXT_WITHIN_S + 0.1)
    assert not missed.cut
