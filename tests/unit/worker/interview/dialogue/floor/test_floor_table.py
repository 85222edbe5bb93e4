"""Each input in each state of the floor: the state after it, and the decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from tests.support.floor_scenes import final, interim, line_at
from tests.support.transition_tables import Cell, cells_of, sentence
from worker.interview.dialogue.floor import machine
from worker.interview.dialogue.floor.floor import Floor
from worker.interview.dialogue.floor.floor_state import TRANSITIONS, Edge, FloorEvent, FloorState
from worker.interview.dialogue.floor.inputs import (
    Input,
    LineEnds,
    Position,
    SoundBegins,
    SoundEnds,
    SoundGoesOn,
    Tick,
)

#: Time of the input. The line began at 10.0, and a word of it ends each 0.4 s.
AT: Final = 11.55

_ANSWER: Final = final(5.0, "I built the search")
_BEGINS: Final = SoundBegins(at=11.0, voiced_s=0.1)

#: How a floor comes into each state. With a star: a short sound over the line is over, but may
#: still get words. PAUSING with a star: the time without words is over before the line pauses.
PATHS: Final[Mapping[str, Sequence[Input]]] = {
    "theirs": [],
    "theirs*": [
        line_at(10.0),
        SoundBegins(at=10.2, voiced_s=0.1),
        SoundEnds(at=10.6, voiced_s=0.3),
        LineEnds(at=11.5),
    ],
    "ours_opening": [_ANSWER, line_at(10.0)],
    # The line is said again, so that only words interrupt it.
    "ours_opening*": [
        _ANSWER,
        line_at(8.0),
        SoundBegins(at=8.3, voiced_s=0.1),
        SoundEnds(at=8.5, voiced_s=0.2),
        Tick(at=9.5),
        line_at(10.0),
        _BEGINS,
        SoundEnds(at=11.3, voiced_s=0.3),
    ],
    "ours": [line_at(10.0)],
    "ours*": [line_at(10.0), _BEGINS, SoundEnds(at=11.4, voiced_s=0.3)],
    "contested": [line_at(10.0), _BEGINS],
    "pausing": [line_at(10.0), _BEGINS, SoundGoesOn(at=11.5, voiced_s=0.6)],
    "pausing*": [line_at(10.0), SoundBegins(at=11.5, voiced_s=29.93)],
    "paused": [
        line_at(10.0),
        SoundBegins(at=10.6, voiced_s=0.1),
        SoundGoesOn(at=11.1, voiced_s=0.6),
        Tick(at=11.3),
    ],
    "yielding": [line_at(10.0), _BEGINS, final(11.5, "sorry can you say that again")],
    "withdrawing": [_ANSWER, line_at(10.0), _BEGINS],
    "withdrawing*": [_ANSWER, line_at(10.0), _BEGINS, SoundEnds(at=11.4, voiced_s=0.3)],
}

INPUTS: Final[Mapping[str, Input]] = {
    "line_begins": line_at(AT),
    "line_ends": LineEnds(at=AT),
    "position": Position(at=AT, played_s=1.5),
    "sound_begins": SoundBegins(at=AT, voiced_s=0.1),
    "sound_goes_on": SoundGoesOn(at=AT, voiced_s=0.7),
    "short_sound_ends": SoundEnds(at=AT, voiced_s=0.3),
    "long_sound_ends": SoundEnds(at=AT, voiced_s=1.5),
    "interim_yeah": interim(AT, "yeah"),
    "interim_talk": interim(AT, "sorry can you"),
    "final_yeah": final(AT, "Yeah."),
    "final_echo": final(AT, "please tell me"),
    "final_talk": final(AT, "Sorry, can you say that again?"),
    "no_text": final(AT, "..."),
    "tick_0.25_s": Tick(at=AT + 0.25),
    "tick_1.05_s": Tick(at=AT + 1.05),
    "tick_31_s": Tick(at=AT + 31.0),
}

#: The state after the input, with the decisions. `-`: nothing changes and nothing is decided.
TABLE: Final = """
input            theirs theirs*        ours_opening             ours_opening*            ours                ours*         contested           pausing                    paused              yielding     withdrawing           withdrawing*  pausing*
line_begins      ours   ours           -                        -                        -                   -             ours                ours                       ours                ours_opening ours_opening          ours_opening  ours
line_ends        -      -              theirs                   theirs                   theirs              theirs        theirs              theirs                     theirs              theirs       -                     -  theirs
position         -      -              -                        -                        -                   -             -                   -                          -                   -            -                     -  -
sound_begins     -      :overlap       withdrawing:withdraw     -                        contested:duck      contested:duck -                  -                          -                   -            -                     -  -
sound_goes_on    -      :overlap       withdrawing:withdraw     -                        pausing:duck        pausing:duck  pausing             -                          -                   -            -                     -  -
short_sound_ends -      -              -                        -                        -                   -             ours:resume         ours:resume                ours:resume         -            -                     -  -
long_sound_ends  -      -              -                        -                        -                   -             -                   -                          -                   -            -                     -  -
interim_yeah     -      -              -                        -                        -                   -             -                   contested                  contested:resume    -            -                     -  -
interim_talk     -      -              withdrawing:withdraw     withdrawing:withdraw     pausing             pausing       pausing             -                          -                   -            -                     -  -
final_yeah       -      :overlap       :overlap                 :overlap                 :overlap            :overlap      ours:resume+overlap ours:resume+overlap        ours:resume+overlap -            -                     theirs:overlap+say_again  ours:resume+overlap
final_echo       -      :echo          :echo                    :echo                    :echo               :echo         ours:resume+echo    ours:resume+echo           ours:resume+echo    -            theirs:echo+say_again theirs:echo+say_again  ours:resume+echo
final_talk       -      -              theirs:withdraw+join     theirs:withdraw+join     yielding            yielding      yielding            yielding                   theirs:stop         -            theirs:join           theirs:join  yielding
no_text          -      -              -                        -                        -                   -             -                   -                          -                   -            -                     -  -
tick_0.25_s      -      :overlap       -                        -                        -                   -             -                   paused:pause               -                   theirs:stop  -                     -  ours:resume+overlap
tick_1.05_s      -      :overlap       ours                     ours:overlap             -                   :overlap      -                   paused:pause               -                   theirs:stop  -                     theirs:say_again  ours:resume+overlap
tick_31_s        -      :overlap       ours                     ours:overlap             -                   :overlap      ours:resume+overlap ours:pause+resume+overlap  ours:resume+overlap theirs:stop  theirs:say_again      theirs:say_again  ours:resume+overlap
"""  # noqa: E501  # one row per input

CELLS: Final = cells_of(TABLE)


def floor_in(state: str) -> Floor:
    floor = Floor()
    for given in PATHS[state]:
        floor.give(given)
    assert floor.state == state.rstrip("*")
    return floor


@pytest.mark.parametrize("cell", CELLS, ids=sentence)
def test_each_input_in_each_state_has_its_outcome(cell: Cell) -> None:
    floor = floor_in(cell.state)
    before = floor.state

    decisions = "+".join(decision.kind for decision in floor.give(INPUTS[cell.event]))

    target, _, kinds = (cell.target or "").partition(":")
    assert (floor.state, decisions) == (target or before, kinds)


def test_the_table_has_a_cell_for_each_state_and_input() -> None:
    assert {cell.state.rstrip("*") for cell in CELLS} == set(FloorState)
    assert {(cell.state, cell.event) for cell in CELLS} == {
        (state, name) for state in PATHS for name in INPUTS
    }


def test_each_transition_is_taken_by_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    class Noted(dict[tuple[FloorState, FloorEvent], Edge]):
        def get(self, key: Any, default: Any = None) -> Any:
            used.add(key)
            return super().get(key, default)

    used: set[object] = set()
    monkeypatch.setattr(machine, "TRANSITIONS", Noted(TRANSITIONS))
    for cell in CELLS:
        floor_in(cell.state).give(INPUTS[cell.event])

    # A line may begin in every state, and its two events differ only in the target.
    lines = {(state, event) for state, event in TRANSITIONS if event.startswith("line_")}
    assert TRANSITIONS.keys() - used - lines == set()
