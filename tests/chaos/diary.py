"""What a candidate saw of its interview, as plain data; all times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.spans import Span


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One try at an answer."""

    question_id: str
    words: tuple[str, ...]
    start_s: float
    end_s: float
    #: False: the candidate left in the middle of it.
    complete: bool
    #: Frames of it that went out late: above 0 it was spoken haltingly, by this machine's fault,
    #: and what was understood of it proves nothing.
    late_frames: int = 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question was heard to its end, in the interviewer's own words."""

    question_id: str
    at_s: float


@dataclass(kw_only=True)
class Diary:
    """One candidate's interview, all of its visits to the room together."""

    interview_id: str
    room: str
    #: When its interviewers were sent.
    began_s: float
    ended_s: float = 0.0
    #: When the candidate was in the room.
    visits: list[Span] = field(default_factory=list)
    #: By the interviewer's identity, when it was audible.
    voices: dict[str, list[Span]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    #: When the plan's last words were heard.
    closing_s: float | None = None
    #: The candidate's patience was at its end.
    gave_up: bool = False
    #: Frames of the candidate's microphone that were late, in all.
    late_frames: int = 0
