"""What holds for every order of inputs, and for every disturbance of a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.floor_scenes import (
    DECIDED,
    LENGTH_S,
    LINE,
    WORD_S,
    Scene,
    final,
    interim,
    line_at,
    sound,
)
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.decisions import Kind
from worker.interview.dialogue.floor.figures import (
    BACKCHANNEL_GAP_S,
    COUGH_GAP_S,
    LONGEST_UNDECIDED_S,
    STOP_WITHIN_S,
    WITHDRAW_WITHIN_S,
    WORD_END_WITHIN_S,
    WORDS_WITHIN_S,
)
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.floor_state import FloorState
from worker.interview.dialogue.floor.inputs import (
    Input,
    LineEnds,
    Position,
    SoundBegins,
    SoundEnds,
    SoundGoesOn,
    Tick,
    Words,
)

#: Tolerance for sums of floating-point times.
TINY_S: Final = 1e-6

TEXTS: Final = (
    "",
    "yeah",
    "okay right",
    "wait",
    "please tell me about a recent",
    "project",
    "and then I built the index",
    "sorry what was the question",
)


#: Seconds from one input to the next.
PAUSES_S: Final = (-0.5, 0.0, 0.03, 0.2, 0.5, 1.0, 3.0, 40.0)
VOICED_S: Final = (0.0, 0.1, 0.5, 0.7, 1.0, 2.0, 9.0)
#: Each kind of input, at time 0, with all the values that it may have.
KINDS: Final[tuple[Sequence[Input], ...]] = (
    [line_at(0.0, hotword=hotword) for hotword in (False, True)],
    [LineEnds(at=0.0, complete=complete) for complete in (False, True)],
    [Position(at=0.0, played_s=played_s) for played_s in VOICED_S],
    [SoundBegins(at=0.0, voiced_s=voiced_s) for voiced_s in VOICED_S],
    [SoundGoesOn(at=0.0, voiced_s=voiced_s) for voiced_s in VOICED_S],
    [SoundEnds(at=0.0, voiced_s=voiced_s) for voiced_s in VOICED_S],
    [Words(at=0.0, text=text, final=final) for text in TEXTS for final in (False, True)],
    [Words(at=0.0, text=text, act=act) for text in TEXTS for act in Act],
    [Tick(at=0.0)],
)
#: Each kind equally often. hypothesis draws an input of a list in a fraction of the time that it
#: takes to compose one.
_EACH: Final = lcm(*map(len, KINDS))
GIVEN: Final = [given for kind in KINDS for given in kind for _ in range(_EACH // len(kind))]
COUNT: Final = st.integers(1, 25)
STEP: Final = st.tuples(st.sampled_from(PAUSES_S), st.sampled_from(GIVEN))


@st.composite
def inputs(draw: st.DrawFn) -> list[Input]:
    """Return inputs in any order, with times that mostly increase."""
    at, order = 10.0, list[Input]()
    for _ in range(draw(COUNT)):
        pause_s, given_input = draw(STEP)
        at += pause_s
        order.append(replace(given_input, at=at))
    return order


@settings(max_examples=examples(400))
@given(inputs())
def test_no_order_of_inputs_leaves_the_floor_undecided(order: list[Input]) -> None:
    floor = Floor()
    for each in order:
        floor.give(each)

    end = max(each.at for each in order) + LONGEST_UNDECIDED_S + WORDS_WITHIN_S
    floor.give(Tick(at=end))
    floor.give(Tick(at=end + WORD_END_WITHIN_S))

    assert floor.state in DECIDED
    assert floor.due is None or floor.due > end


@settings(max_examples=examples(400))
@given(inputs())
def test_each_contested_line_is_decided_within_30_s(order: list[Input]) -> None:
    scene = Scene()
    for each in sorted(order, key=lambda given_input: given_input.at):
        scene.give(each)
    scene.run_until(max(each.at for each in order) + 100.0)

    bound_s = LONGEST_UNDECIDED_S + WORD_END_WITHIN_S + TINY_S
    assert scene.state in DECIDED
    assert all(until - since <= bound_s for since, until in scene.episodes)


@settings(max_examples=examples(400))
@given(inputs())
def test_a_line_sounds_in_each_state_of_ours_that_is_not_a_pause(order: list[Input]) -> None:
    scene = Scene()
    for each in sorted(order, key=lambda given_input: given_input.at):
        scene.give(each)
        silent = scene.state in (FloorState.PAUSED, FloorState.WITHDRAWING, FloorState.THEIRS)
        assert scene.floor.line_sounds is not silent


@st.composite
def spaced_sounds(draw: st.DrawFn, longest_s: float) -> list[tuple[float, float]]:
    """Return times and lengths of sounds, with three seconds between them."""
    sounds, at = [], 10.1
    for _ in range(draw(st.integers(1, 3))):
        at += draw(st.floats(0.0, 1.0))
        voiced_s = draw(st.floats(0.12, longest_s))
        sounds.append((at, voiced_s))
        at += voiced_s + 3.0
    return sounds


@settings(max_examples=examples(200))
@given(spaced_sounds(0.79), st.floats(0.1, 0.55))
def test_coughs_never_end_a_line_and_cost_a_short_gap(
    sounds: list[tuple[float, float]], end_s: float
) -> None:
    scene = Scene()
    scene.give(line_at(10.0))
    for at, voiced_s in sounds:
        scene.give(*sound(at, voiced_s, end_s=end_s))
    scene.run_until(60.0)

    assert scene.completed == 1
    assert not {Kind.STOP, Kind.JOIN, Kind.WITHDRAW} & set(scene.kinds)
    assert all(decision.gap_s <= COUGH_GAP_S + TINY_S for decision in scene.decisions)


@settings(max_examples=examples(200))
@given(
    spaced_sounds(0.7),
    st.sampled_from(("Mm-hm.", "Yeah.", "Okay, right.", "I see.", "Mum.", "Hell.")),
    st.booleans(),
)
def test_backchannels_never_end_a_line_and_leave_almost_no_gap(
    sounds: list[tuple[float, float]], text: str, with_interim: bool
) -> None:
    scene = Scene()
    scene.give(line_at(10.0))
    for at, voiced_s in sounds:
        said = [interim(at + 0.5 * voiced_s, text)] if with_interim else []
        scene.give(*sound(at, voiced_s), *said, final(at + voiced_s + 0.95, text))
    scene.run_until(60.0)

    assert scene.completed == 1
    assert not {Kind.STOP, Kind.JOIN, Kind.WITHDRAW} & set(scene.kinds)
    assert all(decision.gap_s <= BACKCHANNEL_GAP_S + TINY_S for decision in scene.decisions)


@settings(max_examples=examples(200))
@given(spaced_sounds(0.79), st.sampled_from(("", "Okay.", "Mm.", "Yeah, right.")), st.booleans())
def test_a_cough_or_an_acknowledgement_at_the_start_never_ends_a_line(
    sounds: list[tuple[float, float]], text: str, with_text: bool
) -> None:
    scene = Scene()
    scene.after_an_answer(10.0)
    for at, voiced_s in sounds:
        said = [final(at + voiced_s + 0.95, text)] if with_text else []
        scene.give(*sound(at, voiced_s), *said)
    scene.run_until(60.0)

    assert scene.completed == 1
    assert not {Kind.STOP, Kind.JOIN} & set(scene.kinds)


@settings(max_examples=examples(200))
@given(st.floats(0.2, 0.6), st.integers(3, 22), st.booleans())
def test_an_echo_never_ends_a_line(delay_s: float, words: int, after_answer: bool) -> None:
    """The echo of the whole line returns, in pieces of `words` words."""
    scene = Scene()
    begun = 10.0
    if after_answer:  # the line is withdrawn, so that its first echo has one word
        scene.after_an_answer(begun)
        scene.give(*sound(begun + delay_s, 0.3), final(begun + delay_s + 1.2, "Please."))
        begun += delay_s + 1.3
    else:
        scene.floor.echoing = True
        scene.give(line_at(begun))
    said = LINE.split()
    pieces = [
        final(begun + delay_s + min(first + words, 22) * WORD_S + 0.9, " ".join(piece))
        for first in range(0, len(said), words)
        if len(piece := said[first : first + words]) >= 3
    ]
    scene.give(*sound(begun + delay_s, LENGTH_S), *pieces)
    scene.run_until(60.0)

    assert not {Kind.STOP, Kind.JOIN} & set(scene.kinds)
    assert scene.completed == 1


@settings(max_examples=examples(200))
@given(st.floats(0.0, 5.0), st.floats(1.2, 3.0), st.booleans())
def test_an_interruption_is_answered_with_silence_within_0_9_s(
    after_s: float, voiced_s: float, with_interim: bool
) -> None:
    scene = Scene()
    scene.give(line_at(10.0))
    begun = 10.2 + after_s
    said = [interim(begun + 0.5, "sorry can I")] if with_interim else []
    scene.give(*sound(begun, voiced_s), *said)
    scene.give(final(begun + voiced_s + 0.95, "Sorry, can I ask something?"))
    scene.run_until(60.0)

    silent = min(scene.times_of(Kind.PAUSE) + scene.times_of(Kind.STOP))
    assert silent - begun <= STOP_WITHIN_S
    assert scene.kinds[-1] == Kind.STOP
    assert scene.completed == 0


@settings(max_examples=examples(200))
@given(st.floats(0.0, 2.3), st.floats(0.3, 6.0))
def test_a_candidate_who_goes_on_hears_the_line_for_0_3_s_at_most(
    after_s: float, voiced_s: float
) -> None:
    scene = Scene()
    scene.after_an_answer(10.0)
    begun = 10.0 + after_s
    scene.give(*sound(begun, voiced_s), final(begun + voiced_s + 0.95, "and then we moved it"))
    scene.run_until(60.0)

    assert scene.kinds == [Kind.WITHDRAW, Kind.JOIN]
    assert scene.only(Kind.WITHDRAW).at - begun <= WITHDRAW_WITHIN_S
