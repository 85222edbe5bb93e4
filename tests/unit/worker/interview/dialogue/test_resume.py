"""Where a new interviewer continues."""

from __future__ import annotations

import pytest

from tests.support.dialogues import HEARD, begun, happens, say
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.moves import Move

CASES: dict[str, tuple[tuple[Input, ...], str, tuple[Move, ...]]] = {
    "nothing said": ((), "ASKING:q1", (Move.FULL,)),
    "half said": ((say(Act.ANSWER, 2),), "LISTENING:q1", (Move.GO_ON, Move.FULL)),
    "answered": ((say(Act.ANSWER),), "ASKING:q2", (Move.FULL,)),
    "waiting": ((say(Act.WAIT), HEARD), "ASKING:q1", (Move.FULL,)),
    "asked about a skip": ((say(Act.SKIP), HEARD), "ASKING:q1", (Move.FULL,)),
    "a wish to stop": ((say(Act.STOP), HEARD), "CONFIRMING_END(stop)", (Move.CONFIRM_END,)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_new_interviewer_continues_in_the_right_place(name: str) -> None:
    inputs, place, moves = CASES[name]
    driven = begun()
    for each in inputs:
        driven.give(each)
    step = driven.give(happens(Event.RESUMED, Detail.CRASH))
    assert (driven.place, step.moves) == (place, (Move.INTERRUPTED, *moves))
