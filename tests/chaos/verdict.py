"""The limits for a round, and the result of its check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits in seconds."""

    silence_s: float = 8.0
    two_voices_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A violation in one interview or in a round."""

    what: str
    detail: str
    #: Empty for a violation of the whole round.
    interview_id: str = ""
    #: Seconds since the dispatch of the round's interviewers; None: at the round's end.
    at_s: float | None = None
    #: The last fault before the violation.
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Return:
    """A candidate's wait for the next interviewer after one was killed; None if none came."""

    kind: str
    interview_id: str
    waited_s: float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a round's check."""

    violations: tuple[Violation, ...]
    returns: tuple[Return, ...]
    #: The longest silence of each interview, and the wait of each candidate of a burst for the
    #: first words, in seconds: without the excused part, and in total.
    silences_s: tuple[tuple[float, float], ...]
    #: Number of complete answers; how many of them could not be heard completely, and how many were
    #: spoken haltingly.
    answers: int
    unheard: int
    halting: int
    #: Number of words that the recogniser confused with others.
    misheard: int
    ends: tuple[str, ...]
    #: Seconds that each candidate of a burst waited for the first words, if it heard any.
    first_words_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """A violation in one interview, before it is related to the round's start and faults."""

    what: str
    detail: str
    #: Seconds since the epoch.
    at_s: float | None = None
