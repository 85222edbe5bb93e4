"""What the columns of a state contain: the phase of the job, and the time limit."""

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

    The states that have the same `Budget` object share the deadline. It counts from the entry into
    the first of them. A transition between them, in either direction, does not restart it.
    """

    #: The limit in seconds, unless the setting INTERVIEW_BUDGET_<STATE>_S says otherwise.
    seconds: float
    #: What the time is for. The help of the setting contains this text.
    purpose: str
    #: The highest value of the setting, in seconds.
    most_s: float = 86_400
