"""The interviewer's next utterance, and what a language model may change in it.

The functions have no side effects. `allowance` is for a running interview, whose dialogue a
`DialogueTracker` holds. The other functions are for turns without dialogue records: each turn of
the candidate counts as an answer, and the same turns always give the same utterance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from worker.interview.dialogue.moves import Move as Say
from worker.interview.dialogue.state import Fact
from worker.interview.earlier_turns import tracked
from worker.interview.plan.plan import Plan, Question
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import (
    CommittedTurn,
    LlmAllowance,
    Move,
    PlanPosition,
    Role,
    Speaker,
)

__all__ = [
    "CommittedTurn",
    "LlmAllowance",
    "Move",
    "PlanPosition",
    "Role",
    "Speaker",
    "allowance",
    "leeway",
    "next_move",
    "open_question",
    "seconds_left",
]

#: The rows after whose decision a language model may acknowledge the answer.
_ACKNOWLEDGED: Final = frozenset({"answered", "probe"})


def allowance(tracker: DialogueTracker) -> LlmAllowance:
    """Return the interviewer's next utterance, and how far a language model may rephrase it.

    The greeting, repeated questions and answers to the candidate's requests are never rephrased.
    The plan alone sets the order of the questions.
    """
    move = tracker.next_move()
    last = tracker.records[-1] if tracker.records else None
    question = str(tracker.state.facts.get(Fact.HEARD_QUESTION) or "")
    place = tracker.exchange(question or tracker.open_question.id)
    reacts = move.role in (Role.QUESTION, Role.FOLLOW_UP, Role.CLOSING)
    if last is None or not reacts or last.kind != "turn" or last.row not in _ACKNOWLEDGED:
        return LlmAllowance(move=move, place=place)
    view = tracker.plan.questions[place.question]
    asked = tracker.state.count(f"probe@{question}#{tracker.state.visit(question)}")
    left = max(0, view.follow_ups_allowed - asked + (Say.PROBE in last.moves))
    if last.time_over:
        left = 0
    return LlmAllowance(move=move, place=place, acknowledge=True, follow_ups_left=left)


def next_move(plan: Plan, turns: Iterable[CommittedTurn]) -> Move:
    """Return the interviewer's next utterance after `turns`, in the plan's own words."""
    return tracked(plan, turns).next_move()


def leeway(plan: Plan, turns: Iterable[CommittedTurn]) -> LlmAllowance:
    """Return the next utterance after `turns`, and what a language model may change in it."""
    return allowance(tracked(plan, turns))


def seconds_left(plan: Plan, turns: Iterable[CommittedTurn]) -> float:
    """Return the seconds left for the current question; negative once the time is over."""
    return tracked(plan, turns).seconds_left


def open_question(plan: Plan, turns: Iterable[CommittedTurn]) -> Question:
    """Return the current question."""
    return tracked(plan, turns).open_question
