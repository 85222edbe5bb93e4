"""Redispatch in any order of events: one job may speak, and each token has one dispatch."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.virtual.memory_leases import CANDIDATE, MemoryLeases, MemoryRooms
from tests.support.virtual.redispatch_parts import rescue_in
from worker.store.errors import DatabaseUnavailable
from worker.store.leases import LeaseHeld

JOBS = ("AJ_1", "AJ_2", "AJ_3")


STEPS = st.one_of(
    st.tuples(st.just("take"), st.sampled_from(JOBS)),
    st.tuples(st.just("renew"), st.sets(st.sampled_from(JOBS))),
    st.tuples(st.just("look"), st.integers(1, 3)),
    st.tuples(st.just("pass"), st.sampled_from((0.5, 1.0, 2.0, 4.0, 7.0, 60.0))),
    st.tuples(st.just("database"), st.booleans()),
    st.tuples(st.just("livekit"), st.sets(st.sampled_from(("people", "remove", "send")))),
    st.tuples(st.just("candidate"), st.booleans()),
)


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
                case "renew", set(jobs):
                    leases.renew(jobs)
                case "look", int(watchers):
                    looks = (rescue_in(self.rooms).look(leases) for _ in range(watchers))
                    self.sent += sum(await asyncio.gather(*looks))
                case "pass", float(seconds):
                    leases.now += seconds
                case "database", bool(away):
                    leases.away = away
                case "livekit", set(broken):
                    self.rooms.broken = broken
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


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=1000)
def test_in_any_order_one_job_may_speak_and_each_token_has_one_dispatch(
    steps: list[tuple[str, object]],
) -> None:
    async def run() -> None:
        schedule = Schedule()
        for step, what in steps:
            tokens = schedule.leases.token
            await schedule.do(step, what)
            schedule.check()
            assert schedule.leases.token >= tokens

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(run())
