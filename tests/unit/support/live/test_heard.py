"""The count and the position of a sentence in a candidate's transcript."""

from __future__ import annotations

import pytest

from tests.support.live.heard import place_of, times_in, without_clips, word_error_rate

LINE = "What did you learn at work last week?"


@pytest.mark.parametrize(
    ("understood", "times"),
    [
        ("hello there what did you learn at work last week and so on", 1),
        ("hello there what did you earn at work last week", 1),
        ("what did you learn at work last week? what did you learn at work last week", 2),
        ("what did you learn at", 0),
        ("", 0),
    ],
    ids=["among others", "one word misheard", "twice", "half of it", "nothing"],
)
def test_a_line_is_counted_wherever_it_was_understood(understood: str, times: int) -> None:
    assert times_in(LINE, understood) == times


def test_the_place_of_a_line_is_told_in_words() -> None:
    assert place_of("last week", "what about the last week then") == (3, 5)


@pytest.mark.parametrize(
    ("understood", "rest"),
    [
        ("one moment, please. hello and welcome", "hello and welcome"),
        ("one moment, hello and welcome", "hello and welcome"),
        (
            "hello and welcome. let me see. what did you learn",
            "hello and welcome what did you learn",
        ),
        ("one hello and welcome", "one hello and welcome"),
    ],
    ids=["whole", "cut off", "between turns", "a single word"],
)
def test_a_clip_is_no_part_of_what_the_interviewer_said(understood: str, rest: str) -> None:
    assert without_clips(understood, "Hello, and welcome. What did you learn?") == rest


def test_words_of_a_turn_stay_where_a_clip_has_the_same() -> None:
    spoken = "Are you still there? Then let me see your work."
    assert without_clips(spoken, spoken) == "are you still there then let me see your work"


@pytest.mark.parametrize("understood", ["Goodbye", "good-bye.", "good bye"])
def test_a_spelling_of_goodbye_is_no_wrong_word(understood: str) -> None:
    assert word_error_rate("That was all. Goodbye.", f"that was all {understood}") == 0.0
