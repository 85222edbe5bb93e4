"""The types of the columns of the state table: phase, time limit, and the clock of a limit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum, auto


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


class Clock(StrEnum):
    """Whether time counts for a pausable budget.

    The clock starts when the job enters a state with a pausable budget.
    """

    #: Time does not count, so the rest of the budget does not change.
    STOPPED = "stopped"
    #: Time counts.
    RUNNING = "running"


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
    #: True if the limit counts only while its clock runs (see `Clock`), and if the seconds that
    #: earlier jobs of the same work have counted belong to it (`Lifecycle.carry_over`).
    pausable: bool = False
