"""The silence after which NOINPUT happens, by place."""

from __future__ import annotations

import pytest

from worker.interview.dialogue.events import Event
from worker.interview.dialogue.phases import Phase, Place
from worker.interview.dialogue.silence import noinput_after_s
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.table import NO_ROW
from worker.interview.plan.plan import SILENCE_S

LISTENING = Place.parse("LISTENING:q0")


def after_s(place: str, silence: int = 0, base: Place = LISTENING, factor: float = 1.0) -> object:
    state = Dialogue(place=Place.parse(place), base=base, counters={"silence": silence})
    return noinput_after_s(state, SILENCE_S, factor)


def test_the_levels_of_a_question_add_up_to_those_of_the_plan() -> None:
    waits = [after_s("LISTENING:q0", silence) for silence in range(5)]
    assert waits == [15, 15, 20, 30, 40]
    assert after_s("LISTENING:q0", 7) == 40


def test_the_interviewers_own_question_continues_the_levels_of_its_question() -> None:
    assert after_s("CLARIFYING:q0(skip)", 3) == 30


@pytest.mark.parametrize(
    ("place", "seconds"),
    [
        ("WAITING:q0(think)", 60),
        ("WAITING:q0(break)", 180),
        ("SOUND_CHECK", 8),
        ("CONSENT", 15),
        ("CONFIRMING_END(stop)", 15),
        ("CANDIDATE_QUESTIONS", 10),
    ],
)
def test_each_other_question_has_a_silence_of_its_own(place: str, seconds: float) -> None:
    assert after_s(place, 2) == seconds


def test_before_the_first_question_an_own_question_waits_for_the_first_level() -> None:
    assert after_s("CLARIFYING(pause)", 2, base=Place(Phase.CONSENT)) == 15


def test_the_factor_changes_all_silences_but_those_that_the_candidate_asked_for() -> None:
    assert after_s("LISTENING:q0", factor=2.0) == 30
    assert after_s("SOUND_CHECK", factor=2.0) == 16
    assert after_s("WAITING:q0(think)", factor=2.0) == 60


@pytest.mark.parametrize("phase", Phase)
def test_silence_is_an_event_exactly_where_the_table_has_a_row_for_it(phase: Phase) -> None:
    question = "q0" if phase in (Phase.ASKING, Phase.LISTENING, Phase.WAITING) else ""
    state = Dialogue(place=Place(phase, question), base=LISTENING)
    known = noinput_after_s(state, SILENCE_S) is not None
    assert known is ((phase, Event.NOINPUT) not in NO_ROW)
