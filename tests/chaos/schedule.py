"""The schedule of faults: a pure function of the seed and the number of faults.

Interviews run in rounds, several at once. A fault's offset counts from the dispatch of the round's
interviewers. The schedule contains no combination of faults that an interview cannot survive:

- Only one worker at a time is killed, stopped or terminated, with `WORKER_APART_S` until the next.
  So two of three workers continue, and the third has been replaced.
- An interview loses its interviewer (its job or its worker) with `DEATH_APART_S` until it loses the
  next one. A worker's death counts for every interview of the round.
- A rolling restart takes about as long as a round. It is the round's only fault that ends or stops
  an interviewer, and no disk is full in its round.
- LiveKit and the database are not unavailable at the same time: one of them has to know of the
  other's interviews. Neither fails twice in a round. No disk is full while the database is
  unavailable, because a turn could then be stored nowhere.
- The database is not far away while it is unavailable: the end of one would end the other.
- A candidate does not leave while LiveKit is unavailable (there is no room to leave), and is back
  well within the grace for candidates (30 s).
- A round has at most one burst of dispatches, and LiveKit does not fail while its candidates wait.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.chaos.kinds import (
    DEADLY,
    OF_A_PROVIDER,
    OF_A_WORKER,
    OF_AN_INTERVIEW,
    OF_THE_DATABASE,
    Kind,
)

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
#: Seconds between a burst of dispatches and an outage of LiveKit. The candidates of a burst leave
#: after the first words, normally within this time.
BURST_APART_S: Final = 15.0
_DRAWS: Final = 200

#: Shortest and longest duration in seconds. For a termination and for each worker of a rolling
#: restart: until the second signal.
_LASTS_S: Final = {
    Kind.STOP_JOB: (1.0, 14.0),
    Kind.STOP_WORKER: (1.0, 14.0),
    Kind.PAUSE_MAIN: (2.0, 14.0),
    Kind.TERMINATE_WORKER: (1.0, 8.0),
    Kind.ROLLING_RESTART: (1.0, 4.0),
    Kind.FILL_DISK: (3.0, 15.0),
    Kind.STOP_DATABASE: (1.0, 8.0),
    Kind.KILL_DATABASE: (0.5, 5.0),
    Kind.STALL_DATABASE: (1.0, 8.0),
    Kind.FAIL_OVER_DATABASE: (1.0, 8.0),
    # At least two leases and a redispatch.
    Kind.DELAY_DATABASE: (8.0, 20.0),
    Kind.KILL_LIVEKIT: (0.5, 5.0),
    Kind.STALL_PROVIDER: (2.0, 10.0),
    Kind.RESET_PROVIDER: (1.0, 10.0),
    Kind.SLOW_PROVIDER: (3.0, 12.0),
    Kind.DROP_CANDIDATE: (1.0, 8.0),
}
#: Latest start in seconds of a fault that would otherwise outlast the round's interviews; of all
#: other faults `ROUND_S`.
_LATEST_S: Final = {
    Kind.ROLLING_RESTART: 5.0,
    Kind.DELAY_DATABASE: 25.0,
    Kind.DISPATCH_BURST: 30.0,
}
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
    at_s = source.uniform(0.0, _LATEST_S.get(kind, ROUND_S))
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


#: Minimum seconds between two faults of these kinds.
_APART_S: Final = {
    frozenset({Kind.FILL_DISK}): 0.0,
    frozenset({Kind.DELAY_DATABASE}): 2.0,
    frozenset({Kind.DROP_CANDIDATE, Kind.KILL_LIVEKIT}): _BACK_S,
    frozenset({Kind.DISPATCH_BURST, Kind.KILL_LIVEKIT}): BURST_APART_S,
}
#: Faults that a database must be back from before they begin, and that must be over before it goes.
_NEED_THE_DATABASE: Final = frozenset({Kind.KILL_LIVEKIT, Kind.FILL_DISK, Kind.DELAY_DATABASE})


def may_both_strike(one: Fault, other: Fault) -> bool:
    """Return whether an interview can survive both faults, by the rules of this module."""
    kinds = frozenset({one.kind, other.kind})
    if Kind.ROLLING_RESTART in kinds and kinds <= DEADLY | {Kind.FILL_DISK}:
        return False
    if kinds <= OF_A_WORKER:
        return _apart(one, other, WORKER_APART_S)
    if kinds <= DEADLY and not (kinds.isdisjoint(OF_A_WORKER) and one.target != other.target):
        return _apart(one, other, DEATH_APART_S)
    if kinds <= OF_THE_DATABASE or kinds in ({Kind.KILL_LIVEKIT}, {Kind.DISPATCH_BURST}):
        return False
    if kinds & OF_THE_DATABASE and kinds & _NEED_THE_DATABASE:
        return _apart(one, other, _BACK_S)
    if kinds in _APART_S:
        return _apart(one, other, _APART_S[kinds])
    if kinds <= OF_A_PROVIDER or kinds == {Kind.DROP_CANDIDATE}:
        return one.target != other.target or _apart(one, other, 2.0)
    return True


def _apart(one: Fault, other: Fault, apart_s: float) -> bool:
    """Return whether the later fault begins `apart_s` seconds or more after the other's end."""
    first, second = sorted((one, other), key=lambda fault: fault.at_s)
    return second.at_s - first.until_s >= apart_s
