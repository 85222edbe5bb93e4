"""Backchannels, coughs and noises over our line, which has a word each 0.4 s from 10.0 on."""

from __future__ import annotations

import pytest

from tests.support.floor_scenes import Scene, decided, final, interim, sound
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.floor.decisions import Kind, Verdict
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.inputs import LineBegins, SoundBegins


def test_a_backchannel_leaves_no_gap_and_is_recorded_as_overlap(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.42), final(14.3, "Mm-hm."))
    scene.run_until(30.0)

    assert scene.kinds == ["duck", "resume", "overlap"]
    overlap = scene.only(Kind.OVERLAP)
    assert (overlap.verdict, overlap.event, overlap.text) == (
        Verdict.BACKCHANNEL,
        Event.OVERLAP,
        "Mm-hm.",
    )
    assert scene.completed == 1


def test_a_cough_is_recorded_as_overlap_once_no_words_came_for_a_second(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.5))
    scene.run_until(30.0)

    assert scene.kinds == ["duck", "resume", "overlap"]
    overlap = scene.only(Kind.OVERLAP)
    assert overlap.verdict is Verdict.COUGH
    assert overlap.at == pytest.approx(13.7 + 1.0)


def test_a_long_cough_pauses_the_line_only_until_it_is_over(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.75))
    scene.run_until(30.0)

    assert scene.only(Kind.PAUSE).at >= 13.6
    assert scene.only(Kind.RESUME).gap_s <= 0.35
    assert scene.completed == 1


def test_interim_words_of_a_backchannel_keep_the_line_from_pausing(scene: Scene) -> None:
    scene.give(*sound(13.0, 1.0), interim(13.3, "yeah"), interim(13.9, "yeah okay"))
    scene.give(final(14.5, "Yeah, okay."))
    scene.run_until(30.0)

    assert scene.kinds == ["duck", "resume", "overlap"]


def test_a_noise_without_words_pauses_the_line_only_once(scene: Scene) -> None:
    scene.give(*sound(11.0, 1.5), *sound(15.0, 1.5))
    scene.run_until(40.0)

    assert len(scene.times_of(Kind.PAUSE)) == 1
    assert scene.only(Kind.RESUME).at == pytest.approx(12.7 + 1.0)
    assert scene.completed == 1


def test_a_hum_without_an_end_holds_the_line_for_30_s_at_most(scene: Scene) -> None:
    scene.give(*sound(11.0, 60.0))
    scene.run_until(80.0)

    assert scene.only(Kind.RESUME).at == pytest.approx(11.0 + 30.0)
    assert scene.completed == 1


def test_a_sound_without_words_pauses_the_line_at_the_last_end_of_a_word_in_time() -> None:
    floor = Floor()
    ends = tuple(0.1 * index for index in range(1, 31))
    decided(LineBegins(at=10.0, text="a " * 30, word_ends_s=ends), floor=floor)

    decided(SoundBegins(at=11.05, voiced_s=0.6), floor=floor)

    assert floor.due == pytest.approx(11.3)


def test_the_text_of_the_candidate_is_not_in_the_representation_of_a_decision(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.42), final(14.3, "Mm-hm."))

    assert "Mm-hm" not in repr(scene.decisions)
