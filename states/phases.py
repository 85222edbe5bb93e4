"""The types of two columns of the state table: a state's phase, and its time limit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto


class Phase(IntEnum):
    """The parts of a job's life, in order. A job never returns to an earlier phase."""

    #: The job connects to the room. Loading has not begun.
    CONNECTING = auto()
    #: The resources load.
    LOADING = auto()
    #: The session is starting.
    STARTING = auto()
    #: The session runs.
    SESSION = auto()
    #: The job has an outcome and a reason, and runs its closing steps.
    CLOSING = auto()
    #: The job is over.
    OVER = auto()


@dataclass(frozen=True, eq=False)
class Budget:
    """A time limit of one state, or of several states that share one deadline.

    The states that have the same `Budget` object share one deadline, which counts from the first
    entry into one of these states. A transition from one of these states to another does not
    restart the deadline.
    """

    #: The limit in seconds, unless the setting INTERVIEW_BUDGET_<STATE>_S says otherwise.
    seconds: float
    #: What the limited time is for, as a phrase in the help text of INTERVIEW_BUDGET_<STATE>_S.
    purpose: str
    #: The highest allowed value of INTERVIEW_BUDGET_<STATE>_S, in seconds.
    most_s: float = 86_400
