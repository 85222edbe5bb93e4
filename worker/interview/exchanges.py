"""The prompts of each question that were heard, the answers to them, and the question's time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from worker.interview.dialogue.phases import Phase
from worker.interview.dialogue.state import Dialogue, Fact
from worker.interview.heard_share import asked_in
from worker.interview.plan.plan import Plan, Question
from worker.interview.turn import CommittedTurn, PlanPosition, Role


@dataclass
class QuestionTime:
    """The time of the current question, from its prompt to the last turn."""

    question: str = ""
    asked_at: datetime | None = None
    last_at: datetime | None = None

    def asked(self, question: str, at: datetime, *, again: bool) -> None:
        """Note that a question was heard. With `again`, a repetition keeps the earlier time."""
        if not again or question != self.question or self.asked_at is None:
            self.asked_at = at
        self.question, self.last_at = question, at

    def used_s(self, at: datetime | None = None) -> float:
        """Return the seconds from the prompt until `at`, by default until the last turn."""
        until = at or self.last_at
        if self.asked_at is None or until is None:
            return 0.0
        return (until - self.asked_at).total_seconds()


@dataclass
class Exchanges:
    """What was asked and answered in an interview, by question, and when."""

    plan: Plan
    #: The time of the current question.
    time: QuestionTime = field(default_factory=QuestionTime)
    #: The prompts of each question that were heard, and the answers to them.
    prompts: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)

    def of(self, question: str) -> PlanPosition:
        """Return the prompts of a question that were heard, and the answers to them."""
        ids = [each.id for each in self.plan.questions]
        return PlanPosition(
            question=ids.index(question),
            prompts=tuple(self.prompts.get(question, ())),
            answers=tuple(self.answers.get(question, ())),
        )

    def open_question(self, state: Dialogue, *, is_due: bool) -> Question:
        """Return the question of the plan that the candidate's words answer, else the nearest one.

        `is_due` tells whether an utterance is due.
        """
        place, base = state.place.question, state.base.question
        heard = str(state.facts.get(Fact.HEARD_QUESTION) or "")
        # Until the next prompt has begun, words still belong to the question before.
        order = (heard, place, base) if is_due else (place, base, heard)
        known = {question.id: question for question in self.plan.questions}
        found = [known[question] for question in order if question in known]
        return found[0] if found else self.plan.questions[0]

    def prompted(self, turn: CommittedTurn, state: Dialogue) -> None:
        """Note a turn of the interviewer, if it asked something; `state` is the state after it."""
        question = state.place.question
        if state.place.phase is not Phase.LISTENING or not state.facts.get(Fact.LINE_HEARD):
            return
        asked = asked_in(turn.generated, self.plan)
        prompts = self.prompts.setdefault(question, [])
        if turn.role is not Role.SIDE and asked not in prompts:
            prompts.append(asked)
        begun = state.count("probe") > 0 or state.count(f"said@{question}") > 0
        self.time.asked(question, turn.at, again=begun)

    def answered(self, turn: CommittedTurn, questions: Iterable[str]) -> None:
        """Note a turn of the candidate that answers `questions`."""
        self.time.last_at = turn.at
        self.add_answer(turn, questions)

    def add_answer(self, turn: CommittedTurn, questions: Iterable[str]) -> None:
        """Note the words of a turn of the candidate, but not its time."""
        for question in set(questions) - {""}:
            self.answers.setdefault(question, []).append(turn.text)

    def copy(self) -> Exchanges:
        """Return a copy, whose changes do not change this one."""
        return Exchanges(
            plan=self.plan,
            time=replace(self.time),
            prompts={question: list(texts) for question, texts in self.prompts.items()},
            answers={question: list(texts) for question, texts in self.answers.items()},
        )
