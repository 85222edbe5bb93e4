"""The automaton finds patterns over words, and refuses malformed ones."""

from __future__ import annotations

import pytest

from worker.interview.dialogue.classify.automaton import Automaton, MalformedPattern


def ends(pattern: str, text: str, **macros: str) -> list[int]:
    """Return where a pattern ends that begins at the first word."""
    automaton = Automaton([(pattern, True)], macros)
    return [end for end, _ in automaton.ends(text.split(), 0)]


def test_one_of_several_and_optional_words_are_matched() -> None:
    pattern = "could you (say|repeat) [that|it] again"
    assert ends(pattern, "could you say that again please") == [5]
    assert ends(pattern, "could you repeat again") == [4]
    assert ends(pattern, "could you say what again") == []


def test_a_macro_stands_for_its_pattern() -> None:
    assert ends("skip {q}", "skip this one", q="(this|that) [one]") == [2, 3]


def test_a_number_of_words_of_any_kind_is_bounded() -> None:
    assert ends("which *2 or", "which old house or") == [4]
    assert ends("which *2 or", "which very old house or") == []


def test_a_pattern_that_is_not_open_leaves_places_for_any_words_empty() -> None:
    automaton = Automaton([("which *2 or", False)], {})
    assert list(automaton.ends(["which", "old", "or"], 0)) == []
    assert list(automaton.ends(["which", "or"], 0)) == [(2, (0,))]


@pytest.mark.parametrize("pattern", ["", "(a|b", "a)", "[a] [b]", "{unknown} a"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(MalformedPattern):
        Automaton([(pattern, True)], {})
