"""What a round comes to: the limits it is held to, and what is found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What counts as too long, in seconds."""

    silence_s: float = 10.0
    two_voices_s: float = 1.0
    #: For which nobody can be sent after the database was away.
    calm_s: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Violation:
    """Something that must not be."""

    what: str
    detail: str
    #: Empty: it is the round's.
    interview_id: str = ""
    #: Seconds since the round's interviewers were sent; None: at its end.
    at_s: float | None = None
    #: The last fault before it.
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Return:
    """How long a candidate waited for the next interviewer after one was killed."""

    kind: str
    interview_id: str
    waited_s: float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a round came to."""

    violations: tuple[Violation, ...]
    returns: tuple[Return, ...]
    #: The longest silence of each interview, in seconds: what of it is not excused, and all.
    silences_s: tuple[tuple[float, float], ...]
    #: Answers given to their end; those among them that nobody could hear; that were spoken
    #: haltingly.
    answers: int
    unheard: int
    halting: int
    #: Words that the recogniser took for others.
    misheard: int
    ends: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something that must not be, in one interview, before it is placed."""

    what: str
    detail: str
    #: Seconds since the epoch.
    at_s: float | None = None
