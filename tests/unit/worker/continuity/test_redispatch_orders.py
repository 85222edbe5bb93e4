"""Redispatch in any order of events: one job may speak, and each token has one dispatch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import lcm
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.virtual.memory_leases import CANDIDATE, MemoryLeases, MemoryRooms
from tests.support.virtual.redispatch_parts import rescue_in
from worker.store.errors import DatabaseUnavailable
from worker.store.leases import LeaseHeld

JOBS = ("AJ_1", "AJ_2", "AJ_3")


def subsets(*names: str) -> list[frozenset[str]]:
    return [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]


#: Each kind of step, with what it may be done with.
KINDS: Final[dict[str, Sequence[object]]] = {
    "take": JOBS,
    "renew": subsets(*JOBS),
    "look": (1, 2, 3),
    "pass": (0.5, 1.0, 2.0, 4.0, 7.0, 60.0),
    "database": (True, False),
    "livekit": subsets("people", "remove", "send"),
    "candidate": (True, False),
}
#: Each kind equally often. hypothesis draws a step of a list in a tenth of the time that it takes
#: to compose one.
_EACH: Final = lcm(*map(len, KINDS.values()))
STEPS: Final = [
    (kind, what) for kind, ways in KINDS.items() for what in ways for _ in range(_EACH // len(ways))
]


class Schedule:
    """Runs steps in order and checks which job may speak by the protocol's rules."""

    def __init__(self) -> None:
        self.leases = MemoryLeases()
        self.rooms = MemoryRooms()
        #: The token that each job believes it holds.
        self.tokens: dict[str, int] = {}
        self.sent = 0

    async def do(self, step: str, what: object) -> None:
        leases = self.leases
        try:
            match step, what:
                case "take", str(job):
                    before = leases.job, leases.expired
                    self.tokens[job] = await leases.take_lease(None, "iv-1", job_id=job)
                    assert before[0] in (None, job) or before[1]
                case "renew", frozenset(jobs):
                    leases.renew(jobs)
                case "look", int(watchers):
                    looks = (rescue_in(self.rooms).look(leases) for _ in range(watchers))
                    self.sent += sum(await asyncio.gather(*looks))
                case "pass", float(seconds):
                    leases.now += seconds
                case "database", bool(away):
                    leases.away = away
                case "livekit", frozenset(broken):
                    self.rooms.broken = set(broken)
                case "candidate", bool(here):
                    self.rooms.here = {CANDIDATE} if here else set()
        except (LeaseHeld, DatabaseUnavailable):
            return

    def check(self) -> None:
        """Assert that tokens and claims are unique and the highest token holds the lease."""
        assert len(set(self.tokens.values())) == len(self.tokens)
        assert len(set(self.leases.claims)) == len(self.leases.claims)
        assert self.sent <= len(self.leases.claims)
        speaking = [job for job, token in self.tokens.items() if token == self.leases.token]
        assert speaking == [self.leases.job] if self.leases.job else speaking == []


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as one:
        yield one


@given(steps=st.lists(st.sampled_from(STEPS), max_size=40))
@settings(max_examples=examples(1000))
def test_in_any_order_one_job_may_speak_and_each_token_has_one_dispatch(
    runner: asyncio.Runner, steps: list[tuple[str, object]]
) -> None:
    async def run() -> None:
        schedule = Schedule()
        for step, what in steps:
            tokens = schedule.leases.token
            await schedule.do(step, what)
            schedule.check()
            assert schedule.leases.token >= tokens

    runner.run(run())
