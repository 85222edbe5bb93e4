"""No candidate can keep the dialogue from ending: every sequence of inputs ends within a bound.

DIALOGUE_SEQUENCES is the number of hostile sequences (default: 150).
"""

from __future__ import annotations

import os
from itertools import cycle

import pytest

from tests.support.dialogues import (
    HEARD,
    PLAN,
    TODAY,
    Driven,
    begun,
    happens,
    hostile,
    run_to_the_end,
    say,
    seeded,
)
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.bounds import most_utterances
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.plan_view import PlanView

SEQUENCES = int(os.environ.get("DIALOGUE_SEQUENCES", "150"))
FIRST = int(os.environ.get("DIALOGUE_FIRST", "0"))


def test_hostile_sequences_end_within_the_bound_of_the_plan() -> None:
    longest = 0
    for seed in range(FIRST, FIRST + SEQUENCES):
        driven = Driven(PLAN if seed % 2 else TODAY)
        most = most_utterances(driven.plan)
        run_to_the_end(driven, hostile(seeded(seed)), most)
        assert driven.ended, f"sequence {seed} does not end"
        longest = max(longest, driven.utterances)
    print(f"{SEQUENCES} sequences, at most {longest} utterances")


#: Inputs that once kept a dialogue from ending, each by resetting a counter of another.
LOOPS: dict[str, tuple[Input, ...]] = {
    "silence and a silent turn": (happens(Event.NOINPUT), say(Act.OBJECT_RECORDING)),
    "leaving and returning": (happens(Event.LEFT), happens(Event.RETURNED)),
    "returning without leaving": (say(Act.STOP), happens(Event.RETURNED)),
    "withdrawals in the second round": (
        say(Act.LATER),
        HEARD,
        happens(Event.WITHDRAWN),
        say(Act.GO_BACK),
    ),
    "a skip and its undoing": (say(Act.SKIP), HEARD, say(Act.SKIP), say(Act.GO_BACK, share=0.0)),
    "asking to stop and going on": (say(Act.HUMAN), HEARD, say(Act.DENY)),
    "thinking at the end": (say(Act.STALL), happens(Event.NOINPUT)),
    "prompts that are never heard": (happens(Event.PROMPT_DONE, Detail.UNHEARD, 0.0),),
    "a prompt that is always cut": (say(Act.SMALL_TALK, share=0.1),),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("chosen", [PLAN, TODAY], ids=["full", "today"])
@pytest.mark.parametrize("start", ["new", "first question"])
def test_a_pair_of_inputs_that_reset_each_other_ends(
    name: str, chosen: PlanView, start: str
) -> None:
    driven = begun(chosen) if start == "first question" else Driven(chosen)
    run_to_the_end(driven, cycle(LOOPS[name]), most_utterances(chosen))
    assert driven.ended
