"""How the end of a text tells whether an answer is complete."""

from __future__ import annotations

import pytest

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.closed_answers import (
    ENGLISH_ENDINGS,
    gives_what_was_asked,
    is_closed_by,
    is_open_by,
)
from worker.interview.dialogue.plan_view import Expects


@pytest.mark.parametrize(
    "text", ["That's it.", "So that's about it, I think.", "Nothing else, thanks"]
)
def test_a_closing_cue_at_the_end_closes(text: str) -> None:
    assert is_closed_by(text, ENGLISH_ENDINGS)


@pytest.mark.parametrize("text", ["That's it that we built", "What I have done", "Thank you", ""])
def test_other_ends_do_not_close(text: str) -> None:
    assert not is_closed_by(text, ENGLISH_ENDINGS)


@pytest.mark.parametrize("text", ["and then", "because the.", "I worked with", "so, uh"])
def test_a_conjunction_an_article_or_a_filler_leaves_a_phrase_open(text: str) -> None:
    assert is_open_by(text, ENGLISH_ENDINGS)


@pytest.mark.parametrize("text", ["I hope so.", "No we did not", "the team I worked with.", ""])
def test_words_that_do_end_sentences_leave_nothing_open(text: str) -> None:
    assert not is_open_by(text, ENGLISH_ENDINGS)


@pytest.mark.parametrize("expects", list(Expects))
def test_only_a_yes_or_no_a_number_and_a_date_can_be_given(expects: Expects) -> None:
    closed = {Expects.YES_NO, Expects.NUMBER, Expects.DATE}
    text = "yes, five in March"

    given = gives_what_was_asked(text, Act.ANSWER, expects, ENGLISH_ENDINGS)

    assert given is (expects in closed)


def test_a_yes_in_other_words_is_known_by_its_act() -> None:
    text = "I do indeed"

    assert gives_what_was_asked(text, Act.AFFIRM, Expects.YES_NO, ENGLISH_ENDINGS)
    assert not gives_what_was_asked(text, Act.ANSWER, Expects.YES_NO, ENGLISH_ENDINGS)
