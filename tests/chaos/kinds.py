"""The kinds of fault, in groups, and what each does in plain words."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

#: Number of interviews of one `Kind.DISPATCH_BURST`.
BURST: Final = 6
#: Delay of `Kind.DELAY_DATABASE` in each direction, in seconds: a round trip of 60 ms, as between
#: two regions of a continent.
DATABASE_DELAY_S: Final = 0.03


class Kind(StrEnum):
    """The kinds of fault. `Fault.target` selects the interview, the worker or the provider."""

    KILL_JOB = "kill-job"
    STOP_JOB = "stop-job"
    KILL_WORKER = "kill-worker"
    KILL_MACHINE = "kill-machine"
    STOP_WORKER = "stop-worker"
    PAUSE_MAIN = "pause-main"
    TERMINATE_WORKER = "terminate-worker"
    ROLLING_RESTART = "rolling-restart"
    FILL_DISK = "fill-disk"
    STOP_DATABASE = "stop-database"
    KILL_DATABASE = "kill-database"
    STALL_DATABASE = "stall-database"
    FAIL_OVER_DATABASE = "fail-over-database"
    DELAY_DATABASE = "delay-database"
    KILL_LIVEKIT = "kill-livekit"
    STALL_PROVIDER = "stall-provider"
    RESET_PROVIDER = "reset-provider"
    SLOW_PROVIDER = "slow-provider"
    DISPATCH_TWICE = "dispatch-twice"
    DISPATCH_BURST = "dispatch-burst"
    DROP_CANDIDATE = "drop-candidate"

    @property
    def what(self) -> str:
        """A description in one line."""
        return _WHAT[self]


_WHAT: Final = {
    Kind.KILL_JOB: "SIGKILL to the process of an interview",
    Kind.STOP_JOB: "SIGSTOP to the process of an interview, then SIGCONT",
    Kind.KILL_WORKER: "SIGKILL to a worker's main process; another worker is started there",
    Kind.KILL_MACHINE: "SIGKILL to all processes of a worker; another worker is started there",
    Kind.STOP_WORKER: "SIGSTOP to all processes of a worker, then SIGCONT",
    Kind.PAUSE_MAIN: "SIGSTOP to a worker's main process, then SIGCONT; its jobs continue",
    Kind.TERMINATE_WORKER: "SIGTERM twice to a worker's process group; a new worker is started",
    Kind.ROLLING_RESTART: "all workers are restarted, one after the other: SIGTERM twice, a new"
    " worker, then the next",
    Kind.FILL_DISK: "a worker's disk is full",
    Kind.STOP_DATABASE: "PostgreSQL is shut down and restarted",
    Kind.KILL_DATABASE: "PostgreSQL is killed and restarted",
    Kind.STALL_DATABASE: "the connections to PostgreSQL stay open, but no data passes",
    Kind.FAIL_OVER_DATABASE: "the connections to PostgreSQL are reset and new ones reach a"
    " read-only standby; then new ones reach the primary again, and those to the standby stay open",
    Kind.DELAY_DATABASE: "PostgreSQL is 60 ms away: all data is delayed by 30 ms in each direction",
    Kind.KILL_LIVEKIT: "the LiveKit server is killed and restarted",
    Kind.STALL_PROVIDER: "the connections to a provider stay open, but no data passes",
    Kind.RESET_PROVIDER: "the connections to a provider are reset, and new ones are refused",
    Kind.SLOW_PROVIDER: "all data to and from a provider is delayed",
    Kind.DISPATCH_TWICE: "a second interviewer is dispatched to the room",
    Kind.DISPATCH_BURST: f"{BURST} more interviews are dispatched at once; each candidate leaves"
    " after the first words",
    Kind.DROP_CANDIDATE: "the candidate leaves and comes back",
}

OF_AN_INTERVIEW: Final = frozenset(
    {Kind.KILL_JOB, Kind.STOP_JOB, Kind.DISPATCH_TWICE, Kind.DROP_CANDIDATE}
)
#: Faults of one worker, after which it may lose its interviewers, or takes no new ones.
OF_A_WORKER: Final = frozenset(
    {
        Kind.KILL_WORKER,
        Kind.KILL_MACHINE,
        Kind.STOP_WORKER,
        Kind.PAUSE_MAIN,
        Kind.TERMINATE_WORKER,
    }
)
OF_A_PROVIDER: Final = frozenset({Kind.STALL_PROVIDER, Kind.RESET_PROVIDER, Kind.SLOW_PROVIDER})
#: Faults during which the database takes no writes. A database that is far away takes them.
OF_THE_DATABASE: Final = frozenset(
    {
        Kind.STOP_DATABASE,
        Kind.KILL_DATABASE,
        Kind.STALL_DATABASE,
        Kind.FAIL_OVER_DATABASE,
    }
)
#: Faults after which an interviewer may be dead, or taken for dead.
DEADLY: Final = OF_A_WORKER | {Kind.KILL_JOB, Kind.STOP_JOB, Kind.ROLLING_RESTART}


def in_words(kind: str, target: str = "") -> str:
    """Return what a fault does, and in brackets its name and its target.

    Raises ValueError if no kind has this name.
    """
    of = Kind(kind)
    if not target:
        return f"{of.what} ({of})"
    noun = "provider" if of in OF_A_PROVIDER else "worker"
    if of in OF_AN_INTERVIEW:
        noun = "interview"
    return f"{of.what} ({of} of {noun} {target})"
