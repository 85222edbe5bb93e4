"""The data of a plan that decides the dialogue. Only `view_of` and `wording` read a `Plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Final

from worker.interview.dialogue.classify.language import TABLES
from worker.interview.plan.lines import SOUND_CHECK, Disclosure
from worker.interview.plan.plan import SHORT_ANSWER_WORDS, SILENCE_S, Plan
from worker.interview.plan.question import HARD_TIMES_SOFT, LONGEST_TIME_S, Question


class Expects(StrEnum):
    """The kind of answer that a question expects, as in the plan."""

    OPEN = "open"
    STORY = "story"
    YES_NO = "yes_no"
    NUMBER = "number"
    DATE = "date"
    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"


#: Kinds of answers that must be exact, so that the interviewer reads them back.
_READ_BACK: Final = frozenset((Expects.EMAIL, Expects.PHONE, Expects.NAME))


@dataclass(frozen=True, kw_only=True)
class QuestionView:
    """The data of one question that the dialogue uses."""

    id: str
    text: str = ""
    mandatory: bool = True
    #: True if one SKIP leaves the question out, without "Skip it all the same?".
    may_skip: bool = False
    may_come_back: bool = True
    #: The question in other words.
    rephrased: tuple[str, ...] = ()
    #: What the question refers to, said after CLARIFY, by what the candidate asks about.
    clarify: Mapping[str, str] = field(default_factory=dict)
    #: Probes in the order in which they are asked.
    probes: tuple[str, ...] = ()
    #: How many probes may be asked.
    probes_allowed: int = 0
    #: How many follow-ups may be asked, from the plan and from a language model together.
    follow_ups_allowed: int = 0
    #: Ids of the points that a complete answer covers; empty if only the length counts.
    points: tuple[str, ...] = ()
    #: Ids of the points that have a probe, in the order of `probes`.
    probed_points: tuple[str, ...] = ()
    expects: Expects = Expects.OPEN
    #: True if the interviewer reads the answer back.
    reads_back: bool = False
    soft_s: float = LONGEST_TIME_S
    hard_s: float = HARD_TIMES_SOFT * LONGEST_TIME_S


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """The data of a plan that the dialogue uses."""

    questions: tuple[QuestionView, ...]
    short_answer_words: int = SHORT_ANSWER_WORDS
    #: Seconds of silence of the five levels.
    silence_levels_s: tuple[float, ...] = SILENCE_S
    disclosure: str = ""
    #: The consent question; empty if the plan asks for no consent.
    consent: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    #: True if the candidate may ask questions after the last question.
    candidate_questions: bool = False
    stop_line: str = ""
    #: True if the first question comes with the greeting: the plan sets neither a disclosure nor a
    #: sound check nor a consent question of its own.
    begins_at_once: bool = False
    postpone_line: str = ""

    @cached_property
    def by_id(self) -> Mapping[str, QuestionView]:
        """The questions by id."""
        return {question.id: question for question in self.questions}


def view_of(plan: Plan) -> PlanView:
    """Return the data of a checked plan that the dialogue uses.

    In a language in which the candidate's requests are not recognized, the consent question, the
    candidate's questions and the kinds of answers are left out: nobody could say yes to them.
    """
    understood = plan.language.partition("-")[0].lower() in TABLES
    facts = {each.name: getattr(plan.facts, each.name) for each in fields(plan.facts)}
    return PlanView(
        questions=tuple(_question(each, understood=understood) for each in plan.questions),
        short_answer_words=plan.short_answer_words,
        silence_levels_s=plan.silence,
        disclosure=plan.disclosure.say,
        consent=plan.consent.ask if plan.consent is not None and understood else "",
        facts={topic: text for topic, text in facts.items() if text is not None},
        candidate_questions=plan.candidate_questions is not None and understood,
        stop_line=plan.stopped,
        begins_at_once=(
            plan.disclosure == Disclosure()
            and plan.sound_check == SOUND_CHECK
            and (plan.consent is None or not understood)
        ),
        postpone_line=plan.postponed,
    )


def _question(question: Question, *, understood: bool) -> QuestionView:
    """Return one question.

    If the question has points, its probes are the probes of the points; otherwise its probes are
    its follow-ups.
    """
    probes = tuple(point.probe for point in question.points if point.probe is not None)
    allowed = question.probes_allowed if question.points else question.follow_ups_allowed
    probes = probes if question.points else question.follow_ups
    expects = Expects(question.expects) if understood else Expects.OPEN
    return QuestionView(
        id=question.id,
        text=question.text,
        mandatory=question.mandatory,
        may_skip="skip" in question.may and not question.mandatory,
        may_come_back="come_back" in question.may,
        rephrased=question.rephrased,
        clarify=question.clarify,
        probes=probes,
        probes_allowed=min(allowed, len(probes)),
        follow_ups_allowed=question.follow_ups_allowed,
        points=tuple(point.id for point in question.points),
        probed_points=tuple(point.id for point in question.points if point.probe is not None),
        expects=expects,
        reads_back=expects in _READ_BACK,
        soft_s=question.soft_s,
        hard_s=question.hard_s,
    )
