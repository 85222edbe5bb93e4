"""The records of an answer in progress."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import UserInputTranscribedEvent

from worker.interview.conversation.partial_answer import INTERIM_EVERY_S, PartialAnswer

pytestmark = pytest.mark.looptime


class Records:
    """A journal of transcripts."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self.fails = False

    def keep(self, final: str, interim: str, question_id: str | None) -> int | None:
        assert question_id == "q1"
        self.written.append((final, interim))
        return None if self.fails else len(self.written) - 1


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def half(records: Records) -> PartialAnswer:
    return PartialAnswer(records.keep, lambda: "q1")


def hears(half: PartialAnswer, text: str, *, final: bool) -> None:
    half.hear(UserInputTranscribedEvent(transcript=text, is_final=final))


async def test_each_final_transcript_is_written_immediately(
    half: PartialAnswer, records: Records
) -> None:
    for text in ("I led", " a team ", ""):
        hears(half, text, final=True)

    assert records.written == [("I led", ""), ("a team", "")]
    assert half.text == "I led a team"
    assert half.has_final_words
    assert half.seq == 1


async def test_the_newest_interim_text_is_written_once_a_second(
    half: PartialAnswer, records: Records
) -> None:
    for number in range(50):
        hears(half, f"word {number}", final=False)
        await asyncio.sleep(0.1)

    assert len(records.written) <= 1 + 50 * 0.1 / INTERIM_EVERY_S
    await asyncio.sleep(INTERIM_EVERY_S)
    assert records.written[-1] == ("", "word 49")


async def test_text_that_became_final_is_not_written_as_interim_later(
    half: PartialAnswer, records: Records
) -> None:
    hears(half, "I lead", final=False)
    await asyncio.sleep(0)
    hears(half, "I led a", final=False)
    hears(half, "I led a team.", final=True)

    await asyncio.sleep(2 * INTERIM_EVERY_S)

    assert records.written[-1] == ("I led a team.", "")


async def test_text_that_became_a_turn_is_not_written_later(
    half: PartialAnswer, records: Records
) -> None:
    hears(half, "I led", final=True)
    hears(half, "a te", final=False)
    half.taken(half.pieces)
    written = list(records.written)

    await asyncio.sleep(2 * INTERIM_EVERY_S)

    assert records.written == written
    assert half.text == ""


async def test_interim_words_that_become_no_turn_are_forgotten(
    half: PartialAnswer, records: Records
) -> None:
    hears(half, "I led", final=True)
    hears(half, "okay", final=False)
    assert half.has_final_words
    half.forget_interim()
    await asyncio.sleep(2 * INTERIM_EVERY_S)

    assert half.text == "I led"
    assert records.written == [("I led", "")]


async def test_a_failed_write_does_not_change_the_partial_answer(
    half: PartialAnswer, records: Records
) -> None:
    records.fails = True

    hears(half, "I led", final=True)

    assert half.text == "I led"
    assert half.seq is None


async def test_text_before_the_plan_is_loaded_has_no_question() -> None:
    def none_yet() -> str:
        raise RuntimeError

    asked: list[str | None] = []
    half = PartialAnswer(lambda *piece: asked.append(piece[2]), none_yet)

    hears(half, "Hello?", final=True)

    assert asked == [None]
