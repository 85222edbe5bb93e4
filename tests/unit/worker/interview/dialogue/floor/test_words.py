"""Words over the interviewer's line: interruption, backchannel, or echo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.decisions import Verdict
from worker.interview.dialogue.floor.words import ENGLISH, echo_share, is_echo, plain, verdict_of


def verdict(text: str, act: Act | None = None, *, continues_answer: bool = False) -> Verdict:
    return verdict_of(plain(text), act, ENGLISH, continues_answer=continues_answer)


@pytest.mark.parametrize(
    "text", ["Mm-hmm.", "Yeah.", "Okay, right.", "I see.", "Uh-huh.", "Mum.", "Hell.", "No."]
)
def test_one_or_two_words_are_a_backchannel(text: str) -> None:
    assert verdict(text) is Verdict.BACKCHANNEL


@pytest.mark.parametrize(
    "text",
    ["Stop.", "Wait, wait.", "Sorry?", "Pardon?", "Sorry, what?", "Hold on.", "Excuse me."],
)
def test_stop_words_interrupt(text: str) -> None:
    assert verdict(text) is Verdict.STOP_WORD


def test_no_interrupts_only_if_it_is_said_twice() -> None:
    assert verdict("No.") is Verdict.BACKCHANNEL
    assert verdict("No, no.") is Verdict.STOP_WORD


def test_three_words_interrupt() -> None:
    assert verdict("yeah but no") is Verdict.SPEECH


def test_after_a_pause_in_an_answer_only_acknowledgements_are_a_backchannel() -> None:
    assert verdict("And Kafka.", continues_answer=True) is Verdict.SPEECH
    assert verdict("Okay.", continues_answer=True) is Verdict.BACKCHANNEL


def test_words_are_compared_in_lower_case_and_without_punctuation() -> None:
    assert plain("That's IT, isn\u2019t it?") == ("thats", "it", "isnt", "it")


def test_the_share_of_an_echo_counts_words_in_the_same_order() -> None:
    ours = plain("which part of the work was your own")

    assert echo_share(plain("witch part of the work"), ours) == pytest.approx(0.8)
    assert echo_share(plain("own your was work"), ours) == pytest.approx(0.25)
    assert echo_share((), ours) == 0.0
    assert not is_echo((), ours)


WORDS = st.lists(st.sampled_from("abcde"), max_size=8)


@given(WORDS, WORDS)
def test_the_share_is_that_of_the_longest_common_subsequence(
    words: list[str], ours: list[str]
) -> None:
    def longest(left: list[str], right: list[str]) -> int:
        if not left or not right:
            return 0
        if left[0] == right[0]:
            return 1 + longest(left[1:], right[1:])
        return max(longest(left[1:], right), longest(left, right[1:]))

    assert echo_share(words, ours) * len(words) == pytest.approx(longest(words, ours))
