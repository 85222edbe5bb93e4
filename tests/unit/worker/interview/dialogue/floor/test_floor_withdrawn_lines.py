"""Lines that are withdrawn, because the candidate goes on. They begin at 10.0, after an answer."""

from __future__ import annotations

import pytest

from tests.support.floor_scenes import Scene, decided, final, interim, line_at, sound
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.floor.decisions import Kind
from worker.interview.dialogue.floor.inputs import LineEnds, SoundBegins, SoundEnds


def test_a_line_is_withdrawn_when_the_candidate_goes_on_after_a_pause(opening: Scene) -> None:
    opening.give(*sound(10.8, 3.0), final(14.8, "and then I moved it to Kafka"))
    opening.run_until(20.0)

    assert opening.kinds == ["withdraw", "join"]
    withdraw = opening.only(Kind.WITHDRAW)
    assert withdraw.event is Event.WITHDRAWN
    assert withdraw.at == pytest.approx(10.8 + 0.1)


def test_two_words_after_a_pause_are_the_rest_of_the_answer(opening: Scene) -> None:
    opening.give(*sound(10.8, 0.5), final(12.0, "and Kafka"))
    opening.run_until(20.0)

    assert opening.kinds == ["withdraw", "join"]


def test_a_line_that_a_cough_withdrew_is_said_again_after_a_second(opening: Scene) -> None:
    opening.give(*sound(10.8, 0.3))
    opening.run_until(40.0)

    assert opening.kinds == ["withdraw", "say_again"]
    again = opening.only(Kind.SAY_AGAIN)
    assert again.event is Event.WITHDRAWN_IN_VAIN
    assert again.at == pytest.approx(11.3 + 1.0)
    assert opening.completed == 1


def test_a_line_that_a_backchannel_withdrew_is_said_again(opening: Scene) -> None:
    opening.give(*sound(10.8, 0.4), final(12.0, "Okay."))
    opening.run_until(40.0)

    assert opening.kinds == ["withdraw", "overlap", "say_again"]
    assert opening.completed == 1


def test_a_line_that_is_said_again_is_withdrawn_by_words_only(opening: Scene) -> None:
    opening.give(*sound(10.8, 0.3))
    opening.run_until(13.0)
    opening.give(*sound(13.2, 0.3))
    assert opening.times_of(Kind.WITHDRAW) == [pytest.approx(10.9)]

    opening.give(interim(13.8, "and then we"))

    assert opening.times_of(Kind.WITHDRAW)[1:] == [13.8]


def test_a_line_that_is_not_after_an_answer_is_not_withdrawn(scene: Scene) -> None:
    scene.give(*sound(10.8, 0.3))

    assert Kind.WITHDRAW not in scene.kinds


def test_a_second_line_is_withdrawn_within_the_same_2_5_s(opening: Scene) -> None:
    opening.give(LineEnds(at=10.9), line_at(11.0))
    opening.give(SoundBegins(at=12.4, voiced_s=0.1))

    assert opening.only(Kind.WITHDRAW).at == 12.4


def test_a_line_after_its_first_2_5_s_is_not_withdrawn(opening: Scene) -> None:
    opening.give(*sound(12.6, 0.3))

    assert Kind.WITHDRAW not in opening.kinds


def test_a_line_that_the_dialogue_cannot_withdraw_is_interrupted_instead() -> None:
    scene = Scene()
    scene.give(final(5.0, "I built the search"), line_at(10.0, withdrawable=False))

    scene.give(*sound(10.8, 2.0), final(13.8, "and then I moved it"))

    assert scene.kinds == ["duck", "pause", "stop"]


def test_late_words_of_the_answer_do_not_withdraw_the_next_line() -> None:
    scene = Scene()
    scene.give(*sound(6.0, 2.0), final(8.9, "I built"), line_at(9.5))

    scene.give(final(9.8, "the search for the shop"))

    assert scene.kinds == []


def test_a_second_sound_within_a_second_keeps_a_line_withdrawn(opening: Scene) -> None:
    opening.give(*sound(10.8, 0.3), *sound(12.0, 1.0), final(14.0, "and then we moved it"))
    opening.run_until(20.0)

    assert opening.kinds == ["withdraw", "join"]


def test_a_sound_just_after_the_line_has_begun_is_not_a_part_of_the_answer_before() -> None:
    kinds = decided(
        line_at(5.0),
        SoundBegins(at=6.9, voiced_s=0.1),
        LineEnds(at=7.0),
        final(8.0, "I built the search"),
        SoundEnds(at=9.9, voiced_s=2.8),
        line_at(10.0),
        SoundBegins(at=10.15, voiced_s=0.05),
    )

    assert kinds == ["duck", "withdraw"]
