"""Echoes of our line in the microphone. The line has a word each 0.4 s from 10.0 on."""

from __future__ import annotations

from tests.support.floor_scenes import LENGTH_S, Scene, decided, final, interim, line_at, sound
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.floor.decisions import Kind, Verdict
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.inputs import LineBegins, LineEnds, SoundBegins, SoundEnds


def test_the_first_echo_pauses_the_line_and_then_echoes_do_not(scene: Scene) -> None:
    """The echo ends with the line, 0.3 s late, and its words come a second later."""
    scene.give(*sound(10.3, 0.9), final(12.1, "Please tell me."))
    echo = scene.only(Kind.ECHO)
    assert (echo.event, echo.verdict) == (Event.ECHO, Verdict.ECHO)
    assert scene.kinds == ["duck", "pause", "resume", "echo"]

    scene.give(*sound(12.4, 8.0))
    scene.give(final(21.5, "About recent project and witch part of the work was"))
    scene.run_until(40.0)

    assert scene.kinds[4:] == ["echo"]
    assert scene.completed == 1


def test_words_are_an_echo_from_0_6_of_them(scene: Scene) -> None:
    scene.give(*sound(10.3, 2.0), final(13.3, "please tell me of those"))
    assert scene.only(Kind.ECHO).text == "please tell me of those"

    scene.give(*sound(14.0, 2.0), final(17.0, "your own sentence is strange"))
    scene.run_until(18.0)
    assert scene.only(Kind.STOP).verdict is Verdict.SPEECH


def test_after_an_echo_only_words_interrupt_the_lines() -> None:
    scene = Scene()
    scene.give(line_at(10.0), *sound(10.3, 2.0), final(13.3, "please tell me about a"))
    scene.run_until(25.0)
    before = len(scene.decisions)

    scene.give(line_at(26.0), *sound(26.3, 5.0))
    assert scene.decisions[before:] == []

    scene.give(interim(32.0, "sorry I did not get this"))
    scene.run_until(32.9)
    assert scene.kinds[before:] == ["pause"]


def test_a_line_without_any_sound_over_it_ends_the_state_of_echo() -> None:
    scene = Scene()
    scene.give(line_at(10.0), *sound(10.3, 2.0), final(13.3, "please tell me about a"))
    scene.run_until(25.0)
    assert scene.floor.echoing

    scene.give(line_at(26.0))
    scene.run_until(40.0)

    assert not scene.floor.echoing


def test_an_echo_withdraws_a_line_once_and_then_the_line_is_heard_whole(opening: Scene) -> None:
    """An echo returns 0.3 s late, and has one word when the line is withdrawn."""
    opening.give(*sound(10.3, 0.45), final(11.7, "Please."))
    opening.give(*sound(12.1, 8.8), final(21.4, "tell me about a recent project and which part"))
    opening.run_until(60.0)

    assert opening.kinds == ["withdraw", "overlap", "say_again", "echo"]
    assert opening.completed == 1


def test_an_answer_with_words_of_the_question_is_no_echo(scene: Scene) -> None:
    end = 10.0 + LENGTH_S
    scene.run_until(end)
    scene.give(*sound(end + 0.2, 1.5), final(end + 2.9, "what you would change today"))
    scene.run_until(40.0)

    assert scene.kinds == []


def test_the_end_of_an_echo_after_the_line_is_an_echo() -> None:
    scene, end = Scene(), 10.0 + LENGTH_S
    scene.floor.echoing = True
    scene.give(line_at(10.0))
    scene.give(*sound(end - 2.0, 2.4), final(end + 1.6, "own and what you would change today"))
    scene.run_until(40.0)

    assert scene.kinds == ["echo"]
    assert scene.only(Kind.ECHO).at > end


def test_words_after_an_echo_of_a_withdrawn_line_are_the_candidate_s() -> None:
    kinds = decided(
        final(5.0, "I built the search"),
        line_at(10.0),
        SoundBegins(at=11.2, voiced_s=0.1),
        final(12.5, "please tell me"),
        final(12.6, "Okay."),
    )

    assert kinds == ["withdraw", "echo", "say_again"]


def test_the_last_words_of_a_fast_voice_have_an_echo() -> None:
    floor = Floor()
    floor.echoing = True
    kinds = decided(
        LineBegins(at=10.0, text="which part of it was your own work", pace=5.0),
        SoundBegins(at=12.0, voiced_s=0.1),
        LineEnds(at=12.5),
        SoundEnds(at=12.9, voiced_s=0.8),
        final(13.5, "was your own work"),
        floor=floor,
    )

    assert kinds == ["echo"]


def test_two_pieces_of_one_echo_may_come_late() -> None:
    floor = Floor()
    floor.echoing = True
    kinds = decided(
        line_at(10.0),
        SoundBegins(at=10.4, voiced_s=0.1),
        final(13.5, "please tell me"),
        final(14.0, "about a recent project"),
        floor=floor,
    )

    assert kinds == ["echo", "echo"]


def test_the_answer_after_an_echo_in_the_same_text_is_a_turn() -> None:
    """The echo sounds until after the line, and speech-to-text waits for the answer's end."""
    scene = Scene()
    scene.floor.echoing = True
    scene.give(line_at(10.0), *sound(10.3, LENGTH_S), *sound(19.9, 2.0))
    scene.give(final(22.9, "what you would change today I would change the tests"))

    echo = scene.only(Kind.ECHO)
    assert echo.text == "what you would change today"
    assert echo.rest == "I would change the tests"
    assert scene.floor.echoing


def test_an_answer_that_begins_with_words_of_the_question_is_no_echo() -> None:
    scene = Scene()
    scene.give(line_at(10.0))
    scene.run_until(10.0 + LENGTH_S + 0.5)
    scene.give(*sound(19.5, 4.0), final(24.5, "About a recent project and which part was mine"))

    assert scene.decisions == []
    assert not scene.floor.echoing
