"""Interruptions of our line, and sounds at its end. It has a word each 0.4 s from 10.0 on."""

from __future__ import annotations

import pytest

from tests.support.floor_scenes import LENGTH_S, Scene, decided, final, interim, line_at, sound
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.floor.decisions import Kind, Verdict
from worker.interview.dialogue.floor.floor_state import FloorState
from worker.interview.dialogue.floor.inputs import (
    LineBegins,
    LineEnds,
    SoundBegins,
    SoundEnds,
    Tick,
    Words,
)


def test_an_interruption_stops_the_line_at_the_end_of_a_word(scene: Scene) -> None:
    scene.give(*sound(13.2, 1.6), final(15.7, "Sorry, which project do you mean?"))

    pause, stop = scene.only(Kind.PAUSE), scene.only(Kind.STOP)
    assert pause.at == pytest.approx(14.0)
    assert (stop.event, stop.verdict, stop.share) == (Event.GRAB, Verdict.SPEECH, pause.share)
    assert scene.state is FloorState.THEIRS


def test_interim_words_stop_the_line_before_the_sound_is_long(scene: Scene) -> None:
    scene.give(*sound(13.0, 1.6)[:9], interim(13.35, "sorry what do"))
    scene.run_until(14.0)

    assert scene.only(Kind.PAUSE).at == pytest.approx(13.6)


def test_interim_words_without_a_final_transcript_end_the_line_in_a_second(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.7), interim(13.4, "hold on please"))
    scene.run_until(20.0)

    assert scene.only(Kind.STOP).at == pytest.approx(13.9 + 1.0)


def test_interim_words_that_turn_out_to_be_a_backchannel_do_not_end_the_line(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.7), interim(13.4, "I see what"), final(14.4, "I see."))
    scene.run_until(30.0)

    assert Kind.STOP not in scene.kinds
    assert scene.completed == 1


def test_a_stop_word_that_comes_late_stops_the_line(scene: Scene) -> None:
    """The local speech-to-text has no interim words: the sound was taken for a cough before."""
    scene.give(*sound(13.0, 0.4), final(14.35, "Wait!"))
    scene.run_until(20.0)

    assert scene.kinds == ["duck", "resume", "stop"]
    stop = scene.only(Kind.STOP)
    assert stop.verdict is Verdict.STOP_WORD
    assert stop.at == pytest.approx(14.35 + 0.05)


def test_no_alone_does_not_stop_the_line_because_it_may_be_a_misheard_hum(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.4), final(14.35, "No."))

    assert scene.only(Kind.OVERLAP).verdict is Verdict.BACKCHANNEL


def test_two_words_that_are_a_request_stop_the_line(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.5), Words(at=14.3, text="Too fast.", act=Act.PACE))
    scene.run_until(20.0)

    assert scene.only(Kind.STOP).verdict is Verdict.HOTWORD


def test_a_sound_that_goes_on_after_the_end_of_the_line_is_the_answer(scene: Scene) -> None:
    end = 10.0 + LENGTH_S
    scene.give(*sound(end - 0.3, 1.0), final(end + 1.7, "Yes."))
    scene.run_until(30.0)

    assert scene.kinds == ["duck"]
    assert scene.state is FloorState.THEIRS


def test_a_short_yes_in_the_last_second_of_the_line_is_the_answer(scene: Scene) -> None:
    end = 10.0 + LENGTH_S
    scene.give(*sound(end - 0.8, 0.3), final(end + 0.5, "Yes."))
    scene.run_until(30.0)

    assert Kind.OVERLAP not in scene.kinds


def test_an_interruption_is_heard_without_a_vad(scene: Scene) -> None:
    scene.give(final(13.0, "Sorry, can you say that again?"))
    scene.run_until(14.0)

    assert scene.only(Kind.STOP).at <= 13.25


def test_without_times_of_words_the_pace_of_the_voice_is_used() -> None:
    scene = Scene()
    scene.give(LineBegins(at=10.0, text="one two three four five six seven eight", pace=10.0))

    scene.give(*sound(10.45, 1.0))

    # The words end at 0.3, 0.7, 1.3, 1.8 s; the sound is long at 11.078.
    assert scene.only(Kind.PAUSE).at == pytest.approx(11.3)


def test_a_sound_that_begins_while_the_line_yields_is_the_candidate_s_turn() -> None:
    kinds = decided(
        line_at(10.0),
        SoundBegins(at=12.0, voiced_s=0.1),
        SoundEnds(at=12.5, voiced_s=0.4),
        final(13.02, "Sorry, can I ask something?"),
        SoundBegins(at=13.1, voiced_s=0.05),
        Tick(at=13.3),
        SoundEnds(at=13.6, voiced_s=0.4),
        final(14.5, "Yes."),
        Tick(at=30.0),
    )

    assert kinds == ["duck", "resume", "stop"]


def test_a_yes_that_is_reported_after_the_line_is_the_answer() -> None:
    kinds = decided(
        line_at(10.0),
        LineEnds(at=12.0),
        SoundBegins(at=12.05, voiced_s=0.1),
        SoundEnds(at=12.5, voiced_s=0.4),
        final(13.4, "Yes."),
        Tick(at=30.0),
    )

    assert kinds == []


# --- hotword lines -----------------------------------------------------------------------------


@pytest.mark.parametrize("act", [None, Act.ANSWER, Act.SMALL_TALK, Act.AFFIRM])
def test_a_disclosure_is_not_interrupted_by_ordinary_words(act: Act | None) -> None:
    scene = Scene()
    scene.give(line_at(10.0, hotword=True), *sound(12.0, 2.0))

    scene.give(Words(at=15.0, text="I have been looking forward to this", act=act))
    scene.run_until(40.0)

    assert scene.kinds == ["overlap"]
    assert scene.only(Kind.OVERLAP).verdict is Verdict.SOCIAL
    assert scene.completed == 1


@pytest.mark.parametrize(
    "act",
    [
        Act.STOP,
        Act.POSTPONE,
        Act.HUMAN,
        Act.WITHDRAW_CONSENT,
        Act.OBJECT_RECORDING,
        Act.WAIT,
        Act.REPEAT,
        Act.CANNOT_HEAR,
        Act.PACE,
    ],
)
def test_a_disclosure_is_interrupted_by_a_hotword_act(act: Act) -> None:
    scene = Scene()
    scene.give(line_at(10.0, hotword=True), *sound(12.0, 1.0))

    scene.give(Words(at=14.0, text="please do not record this", act=act))
    scene.run_until(20.0)

    assert scene.kinds == ["stop"]
    assert scene.only(Kind.STOP).verdict is Verdict.HOTWORD
