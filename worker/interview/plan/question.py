"""One question of a plan, with its limits, probes and help for the candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo

from worker.interview.plan.checked import PROTOCOL_2, Checked
from worker.interview.plan.validation import (
    Flag,
    PointId,
    Slug,
    Text,
    choice,
    entries,
    mistake_at,
    new_point_ids,
    once_each,
    seconds,
    text_entries,
    whole_number,
)

#: Default time limit of one question, in seconds.
LONGEST_TIME_S: Final = 180.0
#: Default silence that ends an answer, in seconds. The default is longer than a thinking pause of
#: 1.5 s (measured).
THINKING_PAUSE_S: Final = 1.8
#: Default of the hard time limit, as a multiple of the soft one.
HARD_TIMES_SOFT: Final = 1.5

#: What the candidate may ask for at a question.
May = Literal["skip", "come_back"]
#: Kinds of answers. `open` is any answer. A `story` has more than two words.
Expects = Literal["open", "story", "yes_no", "number", "date", "email", "phone", "name"]

_MAY: Final[tuple[May, ...]] = ("skip", "come_back")
_EXPECTS: Final[tuple[Expects, ...]] = get_args(Expects)


@dataclass(frozen=True, kw_only=True)
class Point(Checked):
    """One point of a good answer."""

    #: Slug that is unique among the points of the question.
    id: PointId
    #: The point itself, for readers. It is not spoken.
    text: Text
    #: Follow-up question for an answer that lacks the point; None: there is none.
    probe: Text | None = None


@dataclass(frozen=True, kw_only=True)
class TimeLimits(Checked):
    """The time limits of one question. A limit that is None has a default (see `Question`)."""

    #: Time after which the next short pause ends the answer (10 to 1800 s).
    soft_s: Annotated[float | None, seconds(10, 1800)] = None
    #: Time after which the interviewer goes on at the end of a word (10 to 2700 s). Not used yet.
    hard_s: Annotated[float | None, seconds(10, 2700)] = None


def _hard_after_soft(time: TimeLimits, info: ValidationInfo) -> TimeLimits:
    soft_s = info.data.get("longest_time_s") if time.soft_s is None else time.soft_s
    if time.hard_s is not None and soft_s is not None and time.hard_s < soft_s:
        mistake_at(("hard_s",), f"must not be below the soft limit of {soft_s:g} s", time.hard_s)
    return time


@dataclass(frozen=True, kw_only=True)
class Question(Checked):
    """One planned question, with its limits in seconds."""

    #: Slug that is unique in the plan. Turns and metrics refer to the question by this slug.
    id: Slug
    text: Text
    #: Points that a good answer covers, for the interviewer and for readers of the transcript.
    good_answer: Annotated[tuple[Text, ...], entries(0, 20)] = ()
    #: The plan's own follow-up questions, asked in this order.
    follow_ups: Annotated[tuple[Text, ...], entries(0, 5)] = ()
    #: Maximum number of follow-ups, from the plan and from a language model together (0 to 5).
    follow_ups_allowed: Annotated[
        int,
        whole_number("follow-ups", 0, 5),
        Field(default_factory=lambda given: len(given["follow_ups"])),
    ]
    #: Time limit of the question and its follow-ups together (10 to 1800 s).
    longest_time_s: Annotated[float, seconds(10, 1800)] = LONGEST_TIME_S
    #: Silence that ends an answer (0.3 to 6 s).
    thinking_pause_s: Annotated[float, seconds(0.3, 6)] = THINKING_PAUSE_S

    #: False for a question that the candidate may leave out at the first request (see `may`).
    mandatory: Flag = field(default=True, metadata=PROTOCOL_2)
    #: What the candidate may ask for, in the order of `_MAY`.
    may: Annotated[
        tuple[Annotated[May, choice(*_MAY)], ...], entries(0, len(_MAY)), once_each(_MAY)
    ] = field(default=_MAY, metadata=PROTOCOL_2)
    #: Other words for the question, in the order in which they are tried.
    rephrased: Annotated[tuple[Text, ...], entries(0, 5)] = field(default=(), metadata=PROTOCOL_2)
    #: Answers to the candidate's questions about this question, by what is asked.
    clarify: Annotated[Mapping[Text, Text], text_entries(10)] = field(
        default_factory=dict, hash=False, metadata=PROTOCOL_2
    )
    #: Points of a good answer, each with its probe.
    points: Annotated[tuple[Point, ...], entries(0, 20), new_point_ids()] = field(
        default=(), metadata=PROTOCOL_2
    )
    #: Maximum number of probes (0 to 5).
    probes_allowed: Annotated[int, whole_number("probes", 0, 5)] = field(
        default=2, metadata=PROTOCOL_2
    )
    #: Kind of the answer.
    expects: Annotated[Expects, choice(*_EXPECTS)] = field(default="open", metadata=PROTOCOL_2)
    time: Annotated[TimeLimits, AfterValidator(_hard_after_soft)] = field(
        default=TimeLimits(), metadata=PROTOCOL_2
    )

    @property
    def soft_s(self) -> float:
        """The soft time limit in seconds: `time.soft_s`, by default `longest_time_s`."""
        return self.longest_time_s if self.time.soft_s is None else self.time.soft_s

    @property
    def hard_s(self) -> float:
        """The hard time limit in seconds: `time.hard_s`, by default 1.5 times the soft limit."""
        return HARD_TIMES_SOFT * self.soft_s if self.time.hard_s is None else self.time.hard_s
