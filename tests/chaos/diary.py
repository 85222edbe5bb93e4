"""A candidate's log of its interview, as plain data; all times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.spans import Span


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One attempt at an answer."""

    question_id: str
    words: tuple[str, ...]
    start_s: float
    end_s: float
    #: False if the candidate left in the middle of the answer.
    complete: bool
    #: Number of late audio frames. Above 0 this machine was too busy and spoke the answer
    #: haltingly: its transcript proves nothing.
    late_frames: int = 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question that the candidate heard to its end, in the interviewer's own words."""

    question_id: str
    at_s: float


@dataclass(kw_only=True)
class Diary:
    """One candidate's interview, with all of the candidate's visits to the room."""

    interview_id: str
    room: str
    #: When the round's interviewers were dispatched.
    began_s: float
    ended_s: float = 0.0
    #: Times in which the candidate was in the room.
    visits: list[Span] = field(default_factory=list)
    #: Times in which each interviewer was audible, by identity.
    voices: dict[str, list[Span]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    #: When the plan's closing was heard.
    closing_s: float | None = None
    #: True if the candidate ran out of patience.
    gave_up: bool = False
    #: Total number of late frames of the candidate's microphone.
    late_frames: int = 0


@dataclass(kw_only=True)
class Listener:
    """The log of a candidate of a burst, who leaves after the interviewer's first words."""

    interview_id: str
    room: str
    #: When the round's interviewers were dispatched.
    began_s: float
    #: Times in which the candidate was in the room: one, unless LiveKit was unavailable.
    visits: list[Span] = field(default_factory=list)
    #: Times in which each interviewer was audible, by identity.
    voices: dict[str, list[Span]] = field(default_factory=dict)
