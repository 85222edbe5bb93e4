"""The interviewer's line: its words and their times, while it is played and paused."""

from __future__ import annotations

import pytest

from worker.interview.dialogue.floor.inputs import LineBegins
from worker.interview.dialogue.floor.line import Line, SaidWords


def line(at: float = 10.0) -> Line:
    """Return a line whose words end after 0.5, 1.0, 1.5 and 2.0 s."""
    text = "which part was yours?"
    return Line(LineBegins(at=at, text=text, word_ends_s=(0.5, 1.0, 1.5, 2.0)))


def test_the_end_of_a_word_is_found_from_the_position() -> None:
    assert line().word_end(10.4, 0.25, last=False) == pytest.approx(10.5)
    assert line().word_end(10.4, 0.7, last=True) == pytest.approx(11.0)


def test_without_an_end_of_a_word_the_wait_is_bounded() -> None:
    assert line().word_end(10.1, 0.25, last=False) == pytest.approx(10.35)


def test_a_paused_line_does_not_move() -> None:
    ours = line()
    ours.pause(10.6)
    assert ours.played_s(20.0) == pytest.approx(0.6)

    ours.resume(20.0)
    assert ours.played_s(20.5) == pytest.approx(1.1)


def test_a_position_of_the_output_replaces_the_estimate() -> None:
    ours = line()
    ours.place(11.0, 0.2)

    assert ours.played_s(11.1) == pytest.approx(0.3)


def test_the_share_counts_words_that_were_said_completely() -> None:
    assert line().share(10.4) == 0.0
    assert line().share(11.2) == 0.5
    assert line().share(30.0) == 1.0


def test_without_times_the_pace_gives_the_ends_of_words() -> None:
    ours = Line(LineBegins(at=0.0, text="one two", pace=10.0))

    assert ours.word_end(0.0, 1.0, last=False) == pytest.approx(0.3)
    assert ours.word_end(0.0, 1.0, last=True) == pytest.approx(0.7)


def test_times_that_do_not_fit_the_words_are_not_used() -> None:
    ours = Line(LineBegins(at=0.0, text="one two", pace=10.0, word_ends_s=(0.1,)))

    assert ours.word_end(0.0, 1.0, last=False) == pytest.approx(0.3)


def test_words_have_the_times_at_which_they_were_played() -> None:
    said, ours = SaidWords(), line()
    said.take(ours, 10.6)
    ours.pause(10.6)
    said.take(ours, 20.0)
    ours.resume(20.0)
    said.take(ours, 21.0)

    assert said.around(11.5, 12.0) == ("which", "part")
    assert said.around(21.8, 21.0) == ("was", "yours")


def test_words_that_were_not_yet_said_have_no_echo() -> None:
    said = SaidWords()
    said.take(line(), 10.6)

    assert said.around(10.0, 30.0) == ()
    assert said.around(10.0, 10.6) == ("which", "part")


def test_the_last_words_of_a_line_count_although_their_times_are_estimates() -> None:
    said = SaidWords()
    said.take_all(line(), 10.6)

    assert said.around(10.0, 10.7) == ("which", "part", "was", "yours")
