"""Dialogues for tests: a plan, a driver that records every step, and hostile candidates."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.decide import Step, decide
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.inputs import Happening, Input, Turn
from worker.interview.dialogue.phases import Phase
from worker.interview.dialogue.plan_view import Expects, PlanView, QuestionView
from worker.interview.dialogue.records import Record, record
from worker.interview.dialogue.state import Dialogue, Fact

#: A plan with one question of each sort.
PLAN = PlanView(
    questions=(
        QuestionView(id="q1", probes=("P1", "P2"), probes_allowed=2, expects=Expects.STORY),
        QuestionView(
            id="q2", expects=Expects.YES_NO, rephrased=("Q2 anew",), clarify={"which": "Q2 is"}
        ),
        QuestionView(id="q3", mandatory=False, may_skip=True, may_come_back=False),
        QuestionView(id="q4", reads_back=True, expects=Expects.NUMBER),
    ),
    disclosure="D",
    consent="C",
    candidate_questions=True,
)
#: The plan of an interview today: every question mandatory, no consent, no questions at the end.
TODAY = PlanView(
    questions=(
        QuestionView(id="q1", probes=("P1",), probes_allowed=1),
        QuestionView(id="q2"),
        QuestionView(id="q3"),
    )
)

LONG, SHORT = 12, 2


def say(act: Act, words: int | None = None, **more: object) -> Turn:
    """Return a turn. An answer has `LONG` words unless told otherwise."""
    count = words if words is not None else LONG if act is Act.ANSWER else 0
    return Turn(act=act, words=count, **more)  # type: ignore[arg-type]  # fields of Turn


def happens(event: Event, detail: Detail | None = None, share: float = 1.0) -> Happening:
    """Return an event."""
    return Happening(event=event, detail=detail, share=share)


#: The utterance is over, and was heard.
HEARD = happens(Event.PROMPT_DONE)


class Driven:
    """A dialogue that a test drives: its state, its records, and the last step."""

    def __init__(self, plan: PlanView = PLAN) -> None:
        self.plan = plan
        self.state = Dialogue()
        self.records: list[Record] = []
        self.step: Step | None = None

    def give(self, *given: Input) -> Step:
        """Decide each input and fold its record. Return the last step."""
        for each in given:
            step = decide(self.state, each, self.plan)
            taken = record(self.state, each, step, seq=len(self.records) + 1)
            self.records.append(taken)
            self.state = fold([taken], self.state)
            self.step = step
        assert self.step is not None
        return self.step

    @property
    def place(self) -> str:
        """The place, as text."""
        return str(self.state.place)

    @property
    def utterances(self) -> int:
        """How many utterances were decided, apart from those of resumptions."""
        return sum(1 for each in self.records if each.moves and each.name != Event.RESUMED)

    @property
    def ended(self) -> bool:
        """True once the dialogue has ended."""
        return self.state.place.phase is Phase.ENDED


def begun(plan: PlanView = PLAN) -> Driven:
    """Return a dialogue in which the first question was heard."""
    driven = Driven(plan)
    driven.give(happens(Event.PRESENT), HEARD, say(Act.AFFIRM))
    if plan.consent:
        driven.give(HEARD, say(Act.AFFIRM))
    driven.give(HEARD)
    return driven


def seeded(seed: int) -> random.Random:
    """Return a generator that gives the same numbers for the same seed."""
    return random.Random(seed)  # noqa: S311  # no secret depends on it


def any_input(rng: random.Random) -> Input:
    """Return any input with any values."""
    if rng.random() < 0.55:
        act = rng.choice(list(Act))
        also = rng.choice(list(Act)) if act is Act.ANSWER and rng.random() < 0.2 else None
        words = rng.choice((0, 1, 2, 5, 9, 30)) if act is Act.ANSWER else rng.choice((0, 0, 1))
        about = rng.choice(("", "", "q1", "q2", "q3"))
        share = rng.choice((0.0, 0.3, 0.6, 0.85, 1.0))
        return Turn(act=act, also=also, words=words, share=share, about=about)
    event = rng.choice([each for each in Event if each is not Event.RESUMED])
    detail = rng.choice((None, *Detail))
    return Happening(event=event, detail=detail, share=rng.choice((0.0, 0.4, 0.7, 0.85, 1.0)))


def hostile(rng: random.Random) -> Iterator[Input]:
    """Yield the inputs of a candidate who repeats a few of them, sometimes mixed with others."""
    few = [any_input(rng) for _ in range(rng.choice((1, 2, 2, 3, 4, 6)))]
    in_order, noise = rng.random() < 0.5, rng.choice((0.0, 0.0, 0.05, 0.3, 1.0))
    heard = rng.random() < 0.7
    number = 0
    while True:
        if rng.random() < noise:
            yield any_input(rng)
        else:
            yield few[number % len(few)] if in_order else rng.choice(few)
        number += 1
        if heard:
            yield HEARD


def clock(state: Dialogue) -> Happening:
    """Return what a clock brings when nothing was said for long."""
    if state.facts.get(Fact.ABSENT):
        return happens(Event.GRACE_OVER)
    if state.place.phase is Phase.ARRIVING:
        return happens(Event.PRESENT)
    if state.place.phase is Phase.FAREWELL:
        return happens(Event.QUIET)
    if state.place.phase in (Phase.GREETING, Phase.ASKING):
        return HEARD
    if state.place.phase is Phase.LISTENING:
        return happens(Event.HARD)
    return happens(Event.NOINPUT)


def run_to_the_end(
    driven: Driven,
    inputs: Iterable[Input],
    most: int,
    *,
    silent_steps: int = 12,
    check: Callable[[Driven], None] = lambda driven: None,
) -> None:
    """Give inputs until the dialogue ends. The clock comes only when nothing was said for long.

    Stops after `most` utterances, with `driven.ended` still false.
    """
    silent = spoken = 0
    for each in inputs:
        step = driven.give(clock(driven.state) if silent >= silent_steps else each)
        check(driven)
        silent = 0 if step.moves or silent >= silent_steps else silent + 1
        spoken += bool(step.moves)
        if driven.ended or spoken > most:
            return
