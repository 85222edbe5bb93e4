"""What the dialogue needs from a plan. `view_of` is the only function that reads a `Plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from worker.interview.plan.plan import SHORT_ANSWER_WORDS, Plan, Question

#: The hard time of a question: this many times its soft time.
HARD_FACTOR: Final = 1.5
#: Seconds of silence of the five levels.
SILENCE_LEVELS_S: Final = (15.0, 30.0, 50.0, 80.0, 120.0)


class Expects(StrEnum):
    """The kind of answer that a question expects."""

    OPEN = "open"
    STORY = "story"
    YES_NO = "yes_no"
    NUMBER = "number"
    DATE = "date"


@dataclass(frozen=True, kw_only=True)
class QuestionView:
    """One question, as the dialogue needs it."""

    id: str
    text: str = ""
    mandatory: bool = True
    #: True if one SKIP leaves the question out, without "Skip it all the same?".
    may_skip: bool = False
    may_come_back: bool = True
    #: The question in other words.
    rephrased: tuple[str, ...] = ()
    #: What the question refers to, said after CLARIFY.
    clarify: str = ""
    #: Probes in the order in which they are asked.
    probes: tuple[str, ...] = ()
    #: How many probes may be asked.
    probes_allowed: int = 0
    #: Ids of the points that a complete answer covers; empty if only the length counts.
    points: tuple[str, ...] = ()
    expects: Expects = Expects.OPEN
    #: True if the interviewer reads the answer back.
    reads_back: bool = False
    soft_s: float = 180.0
    hard_s: float = 270.0


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """A plan, as the dialogue needs it."""

    questions: tuple[QuestionView, ...]
    short_answer_words: int = SHORT_ANSWER_WORDS
    silence_levels_s: tuple[float, ...] = SILENCE_LEVELS_S
    disclosure: str = ""
    #: The consent question; empty if the plan asks for no consent.
    consent: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    #: True if the candidate may ask questions after the last question.
    candidate_questions: bool = False
    stop_line: str = ""
    postpone_line: str = ""

    @cached_property
    def by_id(self) -> Mapping[str, QuestionView]:
        """The questions by id."""
        return {question.id: question for question in self.questions}


def view_of(plan: Plan) -> PlanView:
    """Return a checked plan as the dialogue needs it.

    Keys that the plan does not have yet get the defaults of today's plans: every question is
    mandatory, and `longest_time_s` is the soft time.
    """
    return PlanView(
        questions=tuple(_question(question) for question in plan.questions),
        short_answer_words=plan.short_answer_words,
        silence_levels_s=tuple(_get(plan, "silence_levels_s", SILENCE_LEVELS_S)),
        disclosure=_get(plan, "disclosure", ""),
        consent=_get(plan, "consent", ""),
        facts=_get(plan, "facts", {}),
        candidate_questions=bool(_get(plan, "candidate_questions", False)),
        stop_line=_get(plan, "stop_line", ""),
        postpone_line=_get(plan, "postpone_line", ""),
    )


def _question(question: Question) -> QuestionView:
    mandatory = _get(question, "mandatory", True)
    return QuestionView(
        id=question.id,
        text=question.text,
        mandatory=mandatory,
        may_skip=_get(question, "may_skip", not mandatory),
        may_come_back=_get(question, "may_come_back", True),
        rephrased=tuple(_get(question, "rephrased", ())),
        clarify=_get(question, "clarify", ""),
        probes=question.follow_ups,
        probes_allowed=min(question.follow_ups_allowed, len(question.follow_ups)),
        points=tuple(_get(question, "points", ())),
        expects=Expects(_get(question, "expects", Expects.OPEN)),
        reads_back=_get(question, "reads_back", False),
        soft_s=question.longest_time_s,
        hard_s=question.longest_time_s * HARD_FACTOR,
    )


def _get(given: object, key: str, default: Any) -> Any:
    """Return the value of a key that only newer plans have; `default` if it is absent or None."""
    value = getattr(given, key, None)
    return default if value is None else value
