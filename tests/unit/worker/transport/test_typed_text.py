"""Typed text becomes one line of words: nothing in it acts on a terminal or a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.transport.typed_text import clean_text

#: Text with many of the characters that matter.
ANY_TEXT = st.text(
    st.characters() | st.sampled_from("\x00\x07\t\n\r\x1b\x1c\x85\x9b\x9d[]0;m \u2028\u202e\u200d")
)


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("I led a team.", "I led a team."),
        ("  two\n\nlines\r\n\tof  text\x0b\x0c ", "two lines of text"),
        ("a\u2028b\u2029c\x85d\x1ce", "a b c d e"),
        ("a\x1b[31mb\x1b[0m", "ab"),
        ("\x1b]0;window title\x07hello\x1b]52;c;cGFzdGU=\x1b\\!", "hello!"),
        ("\x9b31mred \x9d0;title\x9cand \x90data\x1b\\more", "red and more"),
        ("\x1bcreset \x1b(Bset \x1b", "reset set"),
        ("no\x1b]end", "noend"),
        ("NUL\x00 and \x7fDEL\x08", "NUL and DEL"),
        ("\u202eabc\u202c \u2066d\u2069 \u200ee\u200f \u061cf", "abc d e f"),
        ("\ufeffin\u200bvis\u00adib\u2060le\U000e0041", "invisible"),
        ("half \ud83d pair", "half pair"),
        ("\x00 \x07 \u202e", ""),
        ("\u200d", ""),
        (" \n ", ""),
    ],
)
def test_characters_that_act_are_removed_and_breaks_become_spaces(typed: str, cleaned: str) -> None:
    assert clean_text(typed) == cleaned


@pytest.mark.parametrize(
    "typed",
    [
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f469\u200d\U0001f4bb \u2764\ufe0f",
        "Zoë 面接 \u0928\u092e\u0938\u094d\u0924\u0947",
        "<b>*not* _markup_ here</b> & `code`",
    ],
)
def test_words_of_all_languages_and_emoji_stay(typed: str) -> None:
    assert clean_text(typed) == typed


@given(ANY_TEXT)
def test_cleaned_text_is_one_line_and_cleaning_it_again_changes_nothing(typed: str) -> None:
    cleaned = clean_text(typed)
    assert len(cleaned.splitlines()) <= 1
    assert "\x1b" not in cleaned
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize("piece", ["\x1b]", "\x9d", "\x1b[1;", "\x9b", "\x1b", "\x1b]0;\x1b"])
def test_a_long_text_of_unfinished_sequences_is_cleaned_in_time(piece: str) -> None:
    assert len(clean_text(piece * 40_000)) <= 160_000
