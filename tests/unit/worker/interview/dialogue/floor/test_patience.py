"""The silence that ends a turn: by what was said, by the speaker, and by accommodations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.patience import (
    ASKED_FOR_S,
    COMPLETE_S,
    INCOMPLETE_S,
    LEAST_LEARNED_S,
    LEAST_PAUSES,
    MOST_LEARNED_S,
    Accommodations,
    Ending,
    Patience,
    TurnSoFar,
    ending_of,
)
from worker.interview.dialogue.plan_view import Expects

PLAN_S = 1.8
PAUSES = st.floats(0.0, 10.0)


def ending(text: str, expects: Expects = Expects.OPEN, act: Act = Act.ANSWER) -> Ending:
    return ending_of(TurnSoFar(text=text, expects=expects, act=act))


@pytest.mark.parametrize(
    ("text", "expects"),
    [
        ("Yes.", Expects.YES_NO),
        ("No, not yet.", Expects.YES_NO),
        ("Yes, I do", Expects.YES_NO),
        ("About five years.", Expects.NUMBER),
        ("12", Expects.NUMBER),
        ("In March.", Expects.DATE),
        ("The third of May 2024.", Expects.DATE),
        ("I built the search and the index. That's it.", Expects.OPEN),
        ("We shipped it in June, and that was my part. Thank you.", Expects.OPEN),
    ],
)
def test_an_answer_that_was_asked_for_or_a_closing_cue_is_complete(
    text: str, expects: Expects
) -> None:
    assert ending(text, expects) is Ending.COMPLETE


@pytest.mark.parametrize(
    ("text", "expects"),
    [
        ("I built the search and", Expects.OPEN),
        ("We had to move it, so.", Expects.OPEN),
        ("It was, um,", Expects.OPEN),
        ("The reason was the", Expects.OPEN),
        ("Yes, but", Expects.YES_NO),
        ("I think that we", Expects.OPEN),
    ],
)
def test_a_phrase_that_is_not_finished_is_incomplete(text: str, expects: Expects) -> None:
    assert ending(text, expects) is Ending.INCOMPLETE


@pytest.mark.parametrize(
    ("text", "expects"),
    [
        ("I built the search.", Expects.OPEN),
        ("Yes.", Expects.OPEN),
        ("Five.", Expects.STORY),
        ("That is the team I worked with.", Expects.OPEN),
        ("Yes, I think so.", Expects.OPEN),
        ("Well, it depends on the project and the year we talk about here.", Expects.YES_NO),
        ("ada at example dot com", Expects.EMAIL),
    ],
)
def test_the_end_of_any_other_sentence_is_open(text: str, expects: Expects) -> None:
    assert ending(text, expects) is Ending.OPEN


def test_done_is_complete_and_a_stall_is_incomplete() -> None:
    assert ending("I have nothing to say about it", act=Act.DONE) is Ending.COMPLETE
    assert ending("let me think", act=Act.STALL) is Ending.INCOMPLETE
    also = TurnSoFar(text="I built it. I have said all", also=Act.DONE)
    assert ending_of(also) is Ending.COMPLETE


def test_time_is_asked_for_until_the_candidate_speaks_again() -> None:
    assert ending("give me a minute", act=Act.WAIT) is Ending.ASKED_FOR
    assert ending_of(TurnSoFar(waiting=True)) is Ending.ASKED_FOR
    assert ending_of(TurnSoFar(waiting=True, text="hm", act=Act.STALL)) is Ending.ASKED_FOR
    assert ending_of(TurnSoFar(waiting=True, text="I built the search.")) is Ending.OPEN


def test_the_detector_decides_only_about_sentences_without_a_cue() -> None:
    open_turn = TurnSoFar(text="I built the search.", unfinished=True)
    assert ending_of(open_turn) is Ending.INCOMPLETE
    closed = TurnSoFar(text="That's all.", unfinished=True)
    assert ending_of(closed) is Ending.COMPLETE
    asked = TurnSoFar(text="Yes.", expects=Expects.YES_NO, unfinished=True)
    assert ending_of(asked) is Ending.COMPLETE
    finished = TurnSoFar(text="I built the search and", unfinished=False)
    assert ending_of(finished) is Ending.INCOMPLETE


def test_each_ending_has_its_silence() -> None:
    patience = Patience()

    silences = [patience.silence_s(each, PLAN_S) for each in Ending]

    assert silences == [COMPLETE_S, PLAN_S, INCOMPLETE_S, ASKED_FOR_S] == [0.8, 1.8, 8.0, 60.0]


def test_a_short_pause_of_the_plan_also_ends_a_complete_turn() -> None:
    assert Patience().silence_s(Ending.COMPLETE, 0.4) == 0.4


def test_a_quick_speaker_waits_less_than_the_plan_says() -> None:
    patience = Patience()
    for pause_s in (0.5, 0.6, 0.7, 0.8, 0.9):
        patience.note_pause(pause_s)

    assert patience.open_s(PLAN_S) == LEAST_LEARNED_S


def test_a_slow_speaker_gets_the_median_and_two_deviations() -> None:
    patience = Patience()
    for pause_s in (1.0, 1.4, 1.8, 2.0, 2.6):
        patience.note_pause(pause_s)

    # Median 1.8; deviations 0.8, 0.4, 0.0, 0.2, 0.8 with the median 0.4.
    assert patience.open_s(PLAN_S) == pytest.approx(2.6)


def test_too_few_pauses_teach_nothing() -> None:
    patience = Patience()
    for _ in range(LEAST_PAUSES - 1):
        patience.note_pause(0.6)

    assert patience.open_s(PLAN_S) == PLAN_S


def test_breaths_and_time_that_was_asked_for_teach_nothing() -> None:
    patience = Patience()
    for _ in range(2 * LEAST_PAUSES):
        patience.note_pause(0.2)
        patience.note_pause(20.0, Ending.ASKED_FOR)
        patience.note_pause(6.0, Ending.INCOMPLETE)

    assert patience.open_s(PLAN_S) == PLAN_S


@pytest.mark.parametrize("plan_pause_s", [0.4, 6.0])
def test_an_unusual_pause_of_the_plan_is_not_replaced_by_the_learned_one(
    plan_pause_s: float,
) -> None:
    patience = Patience()
    for _ in range(LEAST_PAUSES):
        patience.note_pause(1.5)

    assert patience.open_s(plan_pause_s) == plan_pause_s


def test_a_withdrawn_line_raises_the_silence_above_the_pause() -> None:
    patience = Patience()

    patience.withdrawn(2.5, PLAN_S)

    assert patience.open_s(PLAN_S) == pytest.approx(2.6)


def test_a_withdrawn_line_raises_the_silence_although_its_pause_is_the_fifth() -> None:
    patience = Patience()
    for _ in range(LEAST_PAUSES - 1):
        patience.note_pause(1.0)

    patience.withdrawn(1.0, PLAN_S)

    assert patience.open_s(PLAN_S) == pytest.approx(2.05)


def test_a_line_withdrawn_after_a_closing_cue_raises_that_silence_only() -> None:
    patience = Patience()

    patience.withdrawn(1.0, PLAN_S, Ending.COMPLETE)

    assert patience.silence_s(Ending.COMPLETE, PLAN_S) == pytest.approx(1.05)
    assert patience.open_s(PLAN_S) == PLAN_S


@given(st.lists(PAUSES, max_size=30), st.lists(PAUSES, max_size=6))
def test_the_silence_stays_within_its_bounds_and_each_withdrawn_line_raises_it(
    pauses: list[float], withdrawn: list[float]
) -> None:
    patience = Patience()
    for pause_s in pauses:
        patience.note_pause(pause_s)
    for pause_s in withdrawn:
        before_s = patience.open_s(PLAN_S)
        patience.withdrawn(pause_s, PLAN_S)
        assert patience.open_s(PLAN_S) > before_s or before_s == MOST_LEARNED_S

    assert LEAST_LEARNED_S <= patience.open_s(PLAN_S) <= MOST_LEARNED_S


def test_accommodations_lengthen_the_silences() -> None:
    patience = Patience(Accommodations(time_factor=1.5, pause_factor=2.0))

    silences = [patience.silence_s(each, PLAN_S) for each in Ending]

    assert silences == [1.6, 3.6, 16.0, 90.0]


@pytest.mark.parametrize("factor", [0.5, 4.5, float("nan")])
def test_a_factor_that_shortens_times_or_has_no_measure_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="pause_factor must be between 1 and 4"):
        Accommodations(pause_factor=factor)
    with pytest.raises(ValueError, match="time_factor must be between 1 and 4"):
        Accommodations(time_factor=factor)


def test_the_text_of_the_turn_is_not_in_its_representation() -> None:
    assert "search" not in repr(TurnSoFar(text="I built the search"))
