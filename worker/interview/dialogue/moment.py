"""`Moment`: an input, the state before the input, and the changes that the effects make."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Input, Turn
from worker.interview.dialogue.phases import Phase, Place, Standing, Status
from worker.interview.dialogue.plan_view import PlanView, QuestionView
from worker.interview.dialogue.state import Dialogue, Fact, Scalar


@dataclass(kw_only=True)
class Moment:
    """An input, the dialogue's state before it, and the changes that the row's effects make."""

    before: Dialogue
    given: Input
    plan: PlanView
    #: The act or event that is looked up; a row may have it looked up as another act.
    on: Act | Event
    standings: dict[str, Standing] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Scalar] = field(default_factory=dict)
    #: The question that a row returns to; empty for most rows.
    target: str = ""
    #: True if the prompt that the turn cut off counts as heard.
    heard_now: bool = False
    #: True once the changes that every turn makes are made.
    turn_noted: bool = False

    @property
    def place(self) -> Place:
        """The place (phase, question and kind) of the dialogue before the row is taken."""
        return self.before.place

    @property
    def question(self) -> QuestionView | None:
        """The plan's question at the current place; None if the place has no question."""
        return self.plan.by_id.get(self.place.question)

    @property
    def share(self) -> float:
        """The share of the interviewer's utterance that was heard, from 0 to 1."""
        return self.given.share

    @property
    def detail(self) -> Detail | None:
        """The detail of an event; None for a turn."""
        return None if isinstance(self.given, Turn) else self.given.detail

    def n(self, name: str = "") -> int:
        """Return how often the act, the event or `name` has occurred, this time included."""
        return self.count(name or str(self.on)) + 1

    def count(self, name: str) -> int:
        """Return the value of a counter, after the changes of this step so far."""
        key = self.before.key(name)
        return self.counters.get(key, self.before.counters.get(key, 0))

    def set_count(self, name: str, value: int) -> None:
        """Set a counter."""
        if self.count(name) != value:
            self.counters[self.before.key(name)] = value

    def add(self, name: str, by: int = 1) -> None:
        """Add `by` to a counter."""
        self.set_count(name, self.count(name) + by)

    def fact(self, name: Fact) -> Scalar:
        """Return a fact after the changes of this step so far; False if the fact is not set."""
        return self.facts.get(name, self.before.facts.get(name, False))

    def set_fact(self, name: Fact, value: Scalar) -> None:
        """Set a fact."""
        if self.fact(name) != value:
            self.facts[name] = value

    def standing(self, question: str) -> Standing:
        """Return status and reason of a question, after the changes of this step so far."""
        return self.standings.get(question, self.before.standing(question))

    def set_standing(self, question: str, status: Status, reason: str = "") -> None:
        """Set the status of a question, with a reason. An answered question stays answered."""
        now = self.standing(question)
        if now.status is not Status.ANSWERED and now != Standing(status, reason):
            self.standings[question] = Standing(status, reason)

    def was_heard(self, question: str) -> bool:
        """Return whether the question was heard, after the changes of this step so far."""
        return self.standing(question).status not in (Status.NOT_REACHED, Status.NOT_HEARD)

    @property
    def said_something(self) -> bool:
        """True if the candidate has said a part of an answer to the current question."""
        return self.at_question and self.count(f"said@{self.place.question}") > 0

    @property
    def at_question(self) -> bool:
        """True if the dialogue is at a question of the plan."""
        return bool(self.place.question) and self.place.phase is not Phase.FAREWELL
