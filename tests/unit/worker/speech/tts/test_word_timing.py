"""The word at which another TTS provider continues: rather one repeated word than one missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.speech.tts.word_timing import has_words, rest_after, rest_by_pace

SENTENCE = "In 1990 you led a team of 12: what was hard, and what was not?"

words = st.lists(st.text("abcde,.'", min_size=1, max_size=6).filter(has_words), min_size=1)


@pytest.mark.parametrize(
    ("heard", "rest"),
    [
        ([], SENTENCE),
        (["In ", "1990 ", "you "], SENTENCE[12:]),
        (["In", "1990", "you"], SENTENCE[12:]),
        # Spelled-out words cannot be found in the text, so they are said again.
        (["In ", "nineteen ", "ninety "], SENTENCE[3:]),
        (["In ", "nineteen ", "ninety ", "you ", "led "], SENTENCE[16:]),
        # A word that occurs again later matches by chance.
        (["what "], SENTENCE),
        (SENTENCE.split(), ""),
    ],
)
def test_the_rest_begins_with_the_first_word_not_heard(heard: list[str], rest: str) -> None:
    assert rest_after(SENTENCE, heard) in (rest, rest.lstrip())


@given(words, st.data())
def test_the_rest_after_literally_reported_words_is_exact(
    said: list[str], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(said)))

    assert rest_after(" ".join(said), [f"{word} " for word in said[:cut]]).split() == said[cut:]


@given(words, st.floats(0, 100), st.floats(1, 30))
def test_an_estimated_rest_begins_at_a_word_and_is_never_empty(
    said: list[str], seconds: float, pace: float
) -> None:
    rest = rest_by_pace(" ".join(said), seconds, pace).split()

    assert rest
    assert said[-len(rest) :] == rest
    left_out = " ".join(said[: -len(rest)])
    assert len(left_out) <= seconds * pace


def test_digits_take_longer_to_say() -> None:
    text = "There were 2147483647 of them in the end."

    assert rest_by_pace(text, 3.0) == text[text.index("2147") :]
    assert rest_by_pace(text, 8.0) == "end."


@pytest.mark.parametrize(("text", "has"), [("A.", True), ("1", True), ("...", False), ("", False)])
def test_a_text_without_letters_or_digits_has_no_words(text: str, has: bool) -> None:
    assert has_words(text) is has
