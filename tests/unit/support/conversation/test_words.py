"""Tests of the numbered words of a conversation."""

from __future__ import annotations

import pytest

from tests.support.conversation.words import Lexicon, is_in, shared_run


def test_each_spoken_word_has_a_number_of_its_own() -> None:
    lexicon = Lexicon()
    first, again = lexicon.speak("yes yes"), lexicon.speak("yes")
    assert [word.number for word in (*first, *again)] == [1, 2, 3]
    assert lexicon[3].text == "yes"


def test_a_word_may_be_understood_as_another() -> None:
    (word,) = Lexicon().speak("Mm-hmm.", heard_as="Mum.")
    assert word.plain == ["mum"]


def test_an_understood_text_has_as_many_words_as_the_spoken_one() -> None:
    with pytest.raises(ValueError, match="number of words"):
        Lexicon().speak("one two", heard_as="one")


def test_words_are_found_in_a_row_without_punctuation() -> None:
    assert is_in("that's it", "It works. That's it!")
    assert not is_in("it works that", "It works. And that.")


def test_a_shared_run_is_the_longest_row_of_equal_words() -> None:
    assert shared_run("How do you find it?", "so how do you do") == 3
    assert shared_run("no", "yes") == 0
