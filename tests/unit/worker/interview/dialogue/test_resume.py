"""Where a new interviewer continues."""

from __future__ import annotations

import pytest

from tests.support.dialogues import HEARD, begun, happens, say
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Standing, Status
from worker.interview.dialogue.state import Fact

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


ENDS: dict[str, tuple[Input, ...]] = {
    "postponed": (say(Act.POSTPONE), HEARD, say(Act.AFFIRM), HEARD, happens(Event.QUIET)),
    "missed": (*(happens(Event.NOINPUT),) * 5, HEARD, happens(Event.QUIET)),
}


@pytest.mark.parametrize("outcome", ENDS)
def test_an_interview_that_was_postponed_or_missed_continues_at_its_open_question(
    outcome: str,
) -> None:
    driven = begun()
    for each in ENDS[outcome]:
        driven.give(each)
    assert driven.place == f"ENDED({outcome})"
    assert driven.state.standing("q1").status is Status.UNANSWERED
    step = driven.give(happens(Event.RESUMED, Detail.ABSENCE))
    assert (driven.place, step.moves) == ("ASKING:q1", (Move.WELCOME_BACK, Move.FULL))
    assert not driven.state.facts[Fact.OUTCOME]
    assert [driven.state.standing(q) for q in ("q1", "q2")] == [
        Standing(Status.OPEN),
        Standing(Status.NOT_REACHED),
    ]


def test_an_interview_whose_prompts_were_not_heard_asks_them_again() -> None:
    driven = begun()
    while not driven.place.startswith("FAREWELL"):
        driven.give(happens(Event.PROMPT_DONE, share=0.1))
        driven.give(happens(Event.GRAB))
        driven.give(say(Act.ANSWER, 2, share=0.1))
    driven.give(happens(Event.QUIET))
    assert driven.place == "ENDED(failed)"
    driven.give(happens(Event.RESUMED, Detail.ABSENCE))
    assert driven.place.startswith("ASKING:")
    assert driven.state.standing("q2") == Standing(Status.NOT_REACHED)


def test_a_stopped_interview_does_not_continue() -> None:
    driven = begun()
    for each in (say(Act.STOP), HEARD, say(Act.AFFIRM), HEARD, happens(Event.QUIET)):
        driven.give(each)
    step = driven.give(happens(Event.RESUMED, Detail.ABSENCE))
    assert (driven.place, step.moves) == ("ENDED(stopped)", ())
