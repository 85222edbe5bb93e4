"""The schedule of faults: a pure function of the seed and the number of faults.

Interviews run in rounds, several at once. A fault's offset counts from the dispatch of the round's
interviewers. The schedule contains no combination of faults that an interview cannot survive:

- Only one worker at a time is killed, stopped or terminated, with `WORKER_APART_S` until the next.
  So two of three workers continue, and the third has been replaced.
- An interview loses its interviewer (its job or its worker) with `DEATH_APART_S` until it loses the
  next one. A worker's death counts for every interview of the round.
- LiveKit and the database are not unavailable at the same time: one of them has to know of the
  other's interviews. Neither fails twice in a round. No disk is full while the database is
  unavailable, because a turn could then be stored nowhere.
- A candidate does not leave while LiveKit is unavailable (there is no room to leave), and is back
  well within the grace for candidates (30 s).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

INTERVIEWS: Final = 3
WORKERS: Final = 3
PROVIDERS: Final = ("stt", "tts", "llm")

#: Seconds of a round in which faults begin: the duration of an undisturbed interview.
ROUND_S: Final = 38.0
FAULTS_A_ROUND: Final = 6
#: Minimum seconds until a fault of the next worker; a start takes about six seconds.
WORKER_APART_S: Final = 18.0
#: Minimum seconds until the same interview loses its next interviewer: a lease, a check, a join.
DEATH_APART_S: Final = 12.0
#: Seconds after its return in which the database, or LiveKit, still counts as unavailable: one
#: lease of calm.
_BACK_S: Final = 7.0
_DRAWS: Final = 200


class Kind(StrEnum):
    """The kinds of fault. `Fault.target` selects the interview, the worker or the provider."""

    KILL_JOB = "kill-job"
    STOP_JOB = "stop-job"
    KILL_WORKER = "kill-worker"
    KILL_MACHINE = "kill-machine"
    STOP_WORKER = "stop-worker"
    TERMINATE_WORKER = "terminate-worker"
    FILL_DISK = "fill-disk"
    STOP_DATABASE = "stop-database"
    KILL_DATABASE = "kill-database"
    STALL_DATABASE = "stall-database"
    KILL_LIVEKIT = "kill-livekit"
    STALL_PROVIDER = "stall-provider"
    RESET_PROVIDER = "reset-provider"
    SLOW_PROVIDER = "slow-provider"
    DISPATCH_TWICE = "dispatch-twice"
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
    Kind.TERMINATE_WORKER: "SIGTERM twice to a worker's process group; a new worker is started",
    Kind.FILL_DISK: "a worker's disk is full",
    Kind.STOP_DATABASE: "PostgreSQL is shut down and restarted",
    Kind.KILL_DATABASE: "PostgreSQL is killed and restarted",
    Kind.STALL_DATABASE: "the connections to PostgreSQL stay open, but no data passes",
    Kind.KILL_LIVEKIT: "the LiveKit server is killed and restarted",
    Kind.STALL_PROVIDER: "the connections to a provider stay open, but no data passes",
    Kind.RESET_PROVIDER: "the connections to a provider are reset, and new ones are refused",
    Kind.SLOW_PROVIDER: "all data to and from a provider is delayed",
    Kind.DISPATCH_TWICE: "a second interviewer is dispatched to the room",
    Kind.DROP_CANDIDATE: "the candidate leaves and comes back",
}

#: Shortest and longest duration in seconds. For a termination: until the second signal.
_LASTS_S: Final = {
    Kind.STOP_JOB: (1.0, 14.0),
    Kind.STOP_WORKER: (1.0, 14.0),
    Kind.TERMINATE_WORKER: (1.0, 8.0),
    Kind.FILL_DISK: (3.0, 15.0),
    Kind.STOP_DATABASE: (1.0, 8.0),
    Kind.KILL_DATABASE: (0.5, 5.0),
    Kind.STALL_DATABASE: (1.0, 8.0),
    Kind.KILL_LIVEKIT: (0.5, 5.0),
    Kind.STALL_PROVIDER: (2.0, 10.0),
    Kind.RESET_PROVIDER: (1.0, 10.0),
    Kind.SLOW_PROVIDER: (3.0, 12.0),
    Kind.DROP_CANDIDATE: (1.0, 8.0),
}

OF_AN_INTERVIEW: Final = frozenset(
    {Kind.KILL_JOB, Kind.STOP_JOB, Kind.DISPATCH_TWICE, Kind.DROP_CANDIDATE}
)
#: Faults after which a worker may lose its interviewers.
OF_A_WORKER: Final = frozenset(
    {Kind.KILL_WORKER, Kind.KILL_MACHINE, Kind.STOP_WORKER, Kind.TERMINATE_WORKER}
)
OF_A_PROVIDER: Final = frozenset({Kind.STALL_PROVIDER, Kind.RESET_PROVIDER, Kind.SLOW_PROVIDER})
OF_THE_DATABASE: Final = frozenset({Kind.STOP_DATABASE, Kind.KILL_DATABASE, Kind.STALL_DATABASE})
#: Faults after which an interviewer may be dead, or taken for dead.
DEADLY: Final = OF_A_WORKER | {Kind.KILL_JOB, Kind.STOP_JOB}

#: Drawn without replacement, so that all kinds are equally frequent; KILL_JOB comes twice.
_DECK: Final = (*Kind, Kind.KILL_JOB)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a round."""

    #: Seconds after the dispatch of the round's interviewers.
    at_s: float
    kind: Kind
    #: The number of the interview or the worker, or a provider's name; empty for the only target.
    target: str = ""
    #: Duration in seconds; 0 for a fault without duration.
    for_s: float = 0.0

    @property
    def until_s(self) -> float:
        """The end of the fault, counted like `at_s`."""
        return self.at_s + self.for_s

    def __str__(self) -> str:
        lasts = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.at_s:5.1f} s  {self.kind}{f' {self.target}' if self.target else ''}{lasts}"


Round: TypeAlias = "tuple[Fault, ...]"


def draw(seed: int, faults: int) -> tuple[Round, ...]:
    """Draw a number of faults, in rounds of at most `FAULTS_A_ROUND`, each sorted by time."""
    source = random.Random(seed)  # noqa: S311 - reproducible on purpose
    deck: list[Kind] = []
    rounds = []
    while faults > 0:
        chosen: list[Fault] = []
        put_off: list[Kind] = []
        while len(chosen) < min(FAULTS_A_ROUND, faults):
            deck = deck or _shuffled(source)
            kind = deck.pop()
            fault = _fitting(source, kind, chosen)
            if fault is None:
                put_off.append(kind)  # for the next round
            else:
                chosen.append(fault)
        deck += reversed(put_off)
        faults -= len(chosen)
        rounds.append(tuple(sorted(chosen, key=lambda fault: fault.at_s)))
    return tuple(rounds)


def _shuffled(source: random.Random) -> list[Kind]:
    deck = list(_DECK)
    source.shuffle(deck)
    return deck


def _fitting(source: random.Random, kind: Kind, beside: list[Fault]) -> Fault | None:
    """Return a fault of this kind that is compatible with the others; None if none was found."""
    for _ in range(_DRAWS):
        fault = _drawn(source, kind)
        if all(may_both_strike(fault, other) for other in beside):
            return fault
    return None


def _drawn(source: random.Random, kind: Kind) -> Fault:
    at_s = source.uniform(0.0, ROUND_S)
    if kind is Kind.DISPATCH_TWICE and source.random() < 0.5:
        at_s = 0.0  # together with the first dispatch
    shortest_s, longest_s = _LASTS_S.get(kind, (0.0, 0.0))
    target = ""
    if kind in OF_AN_INTERVIEW:
        target = str(source.randrange(INTERVIEWS))
    elif kind in OF_A_WORKER or kind is Kind.FILL_DISK:
        target = str(source.randrange(WORKERS))
    elif kind in OF_A_PROVIDER:
        target = source.choice(PROVIDERS)
    return Fault(
        at_s=round(at_s, 1),
        kind=kind,
        target=target,
        for_s=round(source.uniform(shortest_s, longest_s), 1),
    )


def may_both_strike(one: Fault, other: Fault) -> bool:
    """Return whether an interview can survive both faults, by the rules of this module."""
    kinds = {one.kind, other.kind}
    if kinds <= OF_A_WORKER:
        return _apart(one, other, WORKER_APART_S)
    if kinds <= DEADLY and not (kinds.isdisjoint(OF_A_WORKER) and one.target != other.target):
        return _apart(one, other, DEATH_APART_S)
    if kinds <= OF_THE_DATABASE or kinds == {Kind.KILL_LIVEKIT}:
        return False
    outer = OF_THE_DATABASE | {Kind.KILL_LIVEKIT}
    if kinds <= outer:
        return _apart(one, other, _BACK_S)
    if Kind.FILL_DISK in kinds and kinds & OF_THE_DATABASE:
        return _apart(one, other, _BACK_S)
    if kinds == {Kind.FILL_DISK}:
        return _apart(one, other, 0.0)
    if Kind.DROP_CANDIDATE in kinds and Kind.KILL_LIVEKIT in kinds:
        return _apart(one, other, _BACK_S)
    if kinds <= OF_A_PROVIDER or kinds == {Kind.DROP_CANDIDATE}:
        return one.target != other.target or _apart(one, other, 2.0)
    return True


def _apart(one: Fault, other: Fault, apart_s: float) -> bool:
    """Return whether the later fault begins `apart_s` seconds or more after the other's end."""
    first, second = sorted((one, other), key=lambda fault: fault.at_s)
    return second.at_s - first.until_s >= apart_s
