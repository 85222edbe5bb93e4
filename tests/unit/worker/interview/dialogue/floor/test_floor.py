"""Turn-taking, told as scenes. The line has a word each 0.4 s, and begins at 10.0."""

from __future__ import annotations

import pytest

from tests.support.floor_scenes import LENGTH_S, Scene, final, interim, line_at, sound
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.floor.decisions import Kind, Verdict
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.floor_state import FloorState
from worker.interview.dialogue.floor.inputs import (
    Input,
    LineBegins,
    LineEnds,
    SoundBegins,
    SoundEnds,
    Tick,
    Words,
)


@pytest.fixture
def scene() -> Scene:
    """A scene in which our line began at 10.0, not after words of the candidate."""
    scene = Scene()
    scene.give(line_at(10.0))
    return scene


@pytest.fixture
def opening() -> Scene:
    """A scene in which our line began at 10.0, after an answer of the candidate."""
    scene = Scene()
    scene.after_an_answer(10.0)
    return scene


# --- backchannels and coughs -------------------------------------------------------------------


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


# --- interruptions -----------------------------------------------------------------------------


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


# --- withdrawn lines ---------------------------------------------------------------------------


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


# --- echo --------------------------------------------------------------------------------------


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


# --- others ------------------------------------------------------------------------------------


def test_late_words_of_the_answer_do_not_withdraw_the_next_line() -> None:
    scene = Scene()
    scene.give(*sound(6.0, 2.0), final(8.9, "I built"), line_at(9.5))

    scene.give(final(9.8, "the search for the shop"))

    assert scene.kinds == []


def test_without_times_of_words_the_pace_of_the_voice_is_used() -> None:
    scene = Scene()
    scene.give(LineBegins(at=10.0, text="one two three four five six seven eight", pace=10.0))

    scene.give(*sound(10.45, 1.0))

    # The words end at 0.3, 0.7, 1.3, 1.8 s; the sound is long at 11.078.
    assert scene.only(Kind.PAUSE).at == pytest.approx(11.3)


def test_the_text_of_the_candidate_is_not_in_the_representation_of_a_decision(scene: Scene) -> None:
    scene.give(*sound(13.0, 0.42), final(14.3, "Mm-hm."))

    assert "Mm-hm" not in repr(scene.decisions)


def decided(*inputs: Input, floor: Floor | None = None) -> list[str]:
    """Return the kinds of all decisions on the inputs."""
    floor = floor or Floor()
    return [str(decision.kind) for each in inputs for decision in floor.give(each)]


def test_a_second_sound_within_a_second_keeps_a_line_withdrawn(opening: Scene) -> None:
    opening.give(*sound(10.8, 0.3), *sound(12.0, 1.0), final(14.0, "and then we moved it"))
    opening.run_until(20.0)

    assert opening.kinds == ["withdraw", "join"]


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


def test_a_sound_without_words_pauses_the_line_at_the_last_end_of_a_word_in_time() -> None:
    floor = Floor()
    ends = tuple(0.1 * index for index in range(1, 31))
    decided(LineBegins(at=10.0, text="a " * 30, word_ends_s=ends), floor=floor)

    decided(SoundBegins(at=11.05, voiced_s=0.6), floor=floor)

    assert floor.due == pytest.approx(11.3)


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
