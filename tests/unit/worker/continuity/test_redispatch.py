"""The rescue of orphaned interviews in any order of events: one live lease, one dispatch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.virtual.async_steps import end
from tests.support.virtual.memory_leases import (
    CANDIDATE,
    JOIN_S,
    LEASE_S,
    MemoryLeases,
    MemoryRooms,
)
from worker.continuity import candidate_check, redispatch
from worker.continuity.redispatch import Redispatcher
from worker.continuity.watcher import SPARE_S, Watcher
from worker.store.errors import DatabaseUnavailable
from worker.store.leases import LeaseHeld
from worker.store.orphans import (
    LEASE_EXPIRED,
    NOT_SENT,
    NOT_TAKEN,
    Look,
    OrphanedInterview,
)

GRACE_S = 30.0

Passes: TypeAlias = Callable[[float], None]


def rescue_in(rooms: MemoryRooms) -> Redispatcher:
    return Redispatcher(rooms, identity="interviewer-{}".format, grace_s=GRACE_S)


@pytest.fixture
def stranded() -> MemoryLeases:
    """Return an interview whose interviewer's lease expired."""
    return MemoryLeases(token=1, job="AJ_1", last="AJ_1", expires=99.0, running=True)


@pytest.fixture
def passes(stranded: MemoryLeases, monkeypatch: pytest.MonkeyPatch) -> Passes:
    """Return a function that advances the clock of the database and of the rescuer."""
    monkeypatch.setattr(candidate_check, "time", SimpleNamespace(monotonic=lambda: stranded.now))

    def passes(seconds: float) -> None:
        stranded.now = stranded.seen = stranded.now + seconds

    return passes


class ManyLeases:
    """An `OrphanStore` with several interviews. It finds each interview until it is claimed."""

    def __init__(self, number: int, *, at_a_time: int = 100, why: str = LEASE_EXPIRED) -> None:
        self.at_a_time = at_a_time
        self.whys = {f"iv-{each}": why for each in range(number)}
        self.tokens = dict.fromkeys(self.whys, 1)
        self.left = list(self.whys)
        self.claimed: list[str] = []
        self.given_back: list[str] = []
        self.all_given_back = asyncio.Event()
        self.looks: list[Look] = []
        self.sent: list[str] = []

    async def orphaned(self, **_: object) -> list[OrphanedInterview]:
        return [self._orphan(name) for name in self.left[: self.at_a_time]]

    def _orphan(self, name: str) -> OrphanedInterview:
        interview = SimpleNamespace(
            interview_id=name,
            room=f"room-{name}",
            candidate_identity=CANDIDATE,
            dispatch_id=None,
            reason=None,
            token=self.tokens[name],
        )
        return OrphanedInterview(
            interview=cast(Any, interview),
            why=self.whys[name],
            lost_why=LEASE_EXPIRED,
            last_job="AJ_old",
        )

    async def claim(self, found: Sequence[OrphanedInterview]) -> dict[str, int]:
        names = [each.interview.interview_id for each in found]
        self.claimed += names
        self.left = [name for name in self.left if name not in names]
        for name in names:
            self.tokens[name] += 1
        return {name: self.tokens[name] for name in names}

    async def record(self, looks: Sequence[Look]) -> dict[str, float]:
        self.looks += looks
        return {}

    async def turns(self, interview_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        return {}

    async def spent_s(self, interview_ids: Sequence[str]) -> dict[str, float]:
        return {}

    async def note(self, sent: Mapping[str, tuple[int, str]]) -> None:
        self.sent += sent

    async def give_back(self, claims: Sequence[tuple[OrphanedInterview, int]]) -> None:
        for found, token in claims:
            name = found.interview.interview_id
            assert token == self.tokens[name]
            self.whys[name] = NOT_SENT
            self.left.append(name)
            self.given_back.append(name)
        if len(self.given_back) == len(self.claimed):
            self.all_given_back.set()

    async def give_up(self, found: Sequence[OrphanedInterview]) -> None:
        raise AssertionError("no candidate is absent for long")


class HangingRooms(MemoryRooms):
    """Rooms in which a dispatch is answered only once `answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()
        self.sending: asyncio.Queue[str] = asyncio.Queue()

    async def all_sending(self, number: int) -> None:
        """Wait until a number of dispatches is being sent."""
        for _ in range(number):
            await self.sending.get()

    async def send(self, found: OrphanedInterview, **_: object) -> str:
        self.sending.put_nowait(found.interview.interview_id)
        await self.answer.wait()
        return "AD_1"


# --- one rescue -----------------------------------------------------------------------------------


@pytest.mark.row("B4")
async def test_a_dead_interviewer_is_removed_and_a_new_one_is_dispatched(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.here.add("interviewer-AJ_1")
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.did == ["remove interviewer-AJ_1", "send after AJ_1: LeaseExpired"]
    assert (stranded.claims, len(stranded.dispatches)) == ([2], 1)
    assert await rescue_in(rooms).look(stranded) == 0


@pytest.mark.row("B4")
async def test_no_interviewer_is_dispatched_to_a_room_without_its_candidate(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.here = {"interviewer-AJ_1"}
    assert await rescue_in(rooms).look(stranded) == 0
    assert stranded.claims == []
    rooms.here.add(CANDIDATE)
    assert await rescue_in(rooms).look(stranded) == 1


async def test_a_dead_interviewer_that_cannot_be_removed_does_not_prevent_a_redispatch(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.here.add("interviewer-AJ_1")
    rooms.broken = {"remove"}
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.did == ["send after AJ_1: LeaseExpired"]


async def test_a_new_interviewer_is_told_how_much_time_the_earlier_ones_used(
    stranded: MemoryLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = MemoryRooms()
    assert await rescue_in(rooms).look(stranded) == 1

    async def fail(_: str) -> float:
        raise DatabaseUnavailable("talk_seconds", OSError(), "postgresql://database")

    monkeypatch.setattr(stranded, "spent_s", fail)
    stranded.token, stranded.job, stranded.expires = 5, "AJ_2", 99.0
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.spent_s == [61.5, None]


async def test_an_interviewer_that_has_left_the_room_is_not_removed(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    assert await rescue_in(rooms).look(stranded) == 1
    assert rooms.did == ["send after AJ_1: LeaseExpired"]


async def test_no_dispatch_is_claimed_while_livekit_cannot_list_participants(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.broken = {"people"}
    assert await rescue_in(rooms).look(stranded) == 0
    assert stranded.claims == []
    rooms.broken = set()
    assert await rescue_in(rooms).look(stranded) == 1


async def test_a_failed_dispatch_is_repeated_immediately_with_the_next_token(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    rooms.broken = {"send"}
    assert await rescue_in(rooms).look(stranded) == 0
    rooms.broken = set()
    assert await rescue_in(rooms).look(stranded) == 1
    assert stranded.claims == [2, 3]


async def test_an_interviewer_that_never_joins_is_replaced_after_the_join_deadline(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    assert await rescue_in(rooms).look(stranded) == 1
    stranded.now = stranded.seen = stranded.now + JOIN_S - 0.1
    assert await rescue_in(rooms).look(stranded) == 0
    stranded.now = stranded.seen = stranded.now + 0.1
    assert await rescue_in(rooms).look(stranded) == 1
    assert stranded.claims == [2, 3]


async def test_an_interview_ends_when_its_candidate_is_absent_beyond_the_grace_time(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rescuer = rescue_in(rooms)

    async def look_after(seconds: float) -> None:
        passes(seconds)
        await rescuer.look(stranded)

    rooms.here = set()
    await look_after(0)
    await look_after(GRACE_S - 1)
    rooms.here, rooms.broken = {CANDIDATE}, {"send"}
    await look_after(0)
    rooms.here = set()
    await look_after(2)  # gone again
    await look_after(GRACE_S - 1)
    assert not stranded.over
    await look_after(1)
    assert stranded.over
    rooms.here, rooms.broken = {CANDIDATE}, set()
    assert await rescuer.look(stranded) == 0


async def test_a_new_leader_continues_to_count_the_absence_of_a_candidate(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = set()
    await rescue_in(rooms).look(stranded)
    passes(GRACE_S - 1)
    successor = rescue_in(rooms)
    await successor.look(stranded)
    assert not stranded.over
    passes(1)
    await successor.look(stranded)
    assert stranded.over


async def test_an_unknown_interviewer_in_the_room_gets_time_to_take_the_lease(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = {CANDIDATE, "interviewer-AJ_1", "interviewer-AJ_began_without_database"}
    rescuer = rescue_in(rooms)
    assert await rescuer.look(stranded) == 0
    passes(4.9)
    assert await rescuer.look(stranded) == 0
    passes(0.1)
    assert await rescuer.look(stranded) == 1


async def test_a_redispatch_by_another_worker_resets_the_absence_of_the_candidate(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = set()
    watching = rescue_in(rooms)
    await watching.look(stranded)
    rooms.here = {CANDIDATE}
    assert await rescue_in(rooms).look_at(stranded, room="r") == 1  # another worker got the webhook
    rooms.here = set()
    passes(GRACE_S + 1)
    await watching.look(stranded)
    assert not stranded.over


async def test_a_check_of_one_room_may_redispatch_but_never_ends_an_interview(
    stranded: MemoryLeases, passes: Passes
) -> None:
    rooms = MemoryRooms()
    rooms.here = set()
    rescuer = rescue_in(rooms)
    assert await rescuer.look_at(stranded, room="r") == 0
    passes(GRACE_S + 1)
    assert await rescuer.look_at(stranded, room="r") == 0
    assert not stranded.over
    rooms.here = {CANDIDATE}
    assert await rescuer.look_at(stranded, room="r") == 1


@pytest.mark.row("B4")
async def test_of_several_simultaneous_checks_exactly_one_redispatches(
    stranded: MemoryLeases,
) -> None:
    rooms = MemoryRooms()
    sent = await asyncio.gather(*(rescue_in(rooms).look(stranded) for _ in range(5)))
    assert sum(sent) == 1


# --- many interviews at once ----------------------------------------------------------------------


async def test_the_next_page_is_claimed_while_the_dispatches_of_a_page_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redispatch, "AT_A_TIME", 1)
    ledger, rooms = ManyLeases(3, at_a_time=1), HangingRooms()
    looking = asyncio.create_task(rescue_in(rooms).look(ledger))
    async with asyncio.timeout(5):
        await rooms.all_sending(3)
    assert ledger.claimed == ["iv-0", "iv-1", "iv-2"]
    rooms.answer.set()
    assert await looking == 3


async def test_no_further_page_is_claimed_while_the_dispatches_of_three_pages_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a claim would wait so long that another worker takes its dispatch for lost."""
    monkeypatch.setattr(redispatch, "AT_A_TIME", 1)
    ledger, rooms = ManyLeases(5, at_a_time=1), HangingRooms()
    looking = asyncio.create_task(rescue_in(rooms).look(ledger))
    async with asyncio.timeout(5):
        await rooms.all_sending(3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert ledger.claimed == ["iv-0", "iv-1", "iv-2"]
        rooms.answer.set()
        assert await looking == 5


async def test_a_cancelled_check_gives_back_what_it_has_claimed() -> None:
    ledger, rooms = ManyLeases(2), HangingRooms()
    looking = asyncio.create_task(rescue_in(rooms).look(ledger))
    async with asyncio.timeout(5):
        await rooms.all_sending(2)
        await end(looking)
        await ledger.all_given_back.wait()
    assert ledger.given_back == ["iv-0", "iv-1"]


class StaleRooms(MemoryRooms):
    """Rooms whose numbers of participants still count a candidate who has left."""

    async def counts(self, rooms: Collection[str]) -> dict[str, int]:
        return dict.fromkeys(rooms, 1)


async def test_many_expired_leases_are_claimed_before_the_participants_are_listed() -> None:
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.broken = {"people"}
    assert await rescue_in(rooms).look(ledger) == 0
    assert ledger.claimed == ledger.given_back == list(ledger.whys)
    assert [(look.absent, look.token) for look in ledger.looks] == [(False, 2)] * 5
    # Afterwards they are claimed only if the candidates are known to be there.
    assert await rescue_in(rooms).look(ledger) == 0
    assert len(ledger.claimed) == 5


async def test_many_expired_leases_are_followed_and_dead_interviewers_removed() -> None:
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.here.add("interviewer-AJ_old")
    assert await rescue_in(rooms).look(ledger) == 5
    assert ledger.sent == list(ledger.whys)
    assert rooms.did.count("remove interviewer-AJ_old") == 5
    assert rooms.did.count("send after AJ_old: LeaseExpired") == 5
    assert (ledger.given_back, ledger.looks) == ([], [])


@pytest.mark.row("B4")
async def test_a_claim_is_given_back_without_a_dispatch_if_the_candidate_is_absent() -> None:
    ledger, rooms = ManyLeases(5), StaleRooms()
    rooms.here = set()
    rescuer = rescue_in(rooms)
    assert await rescuer.look(ledger) == 0
    assert ledger.given_back == list(ledger.whys)
    assert [(look.absent, look.token) for look in ledger.looks] == [(True, 2)] * 5
    assert await rescuer.look(ledger) == 0
    assert len(ledger.claimed) == 5
    rooms.here = {CANDIDATE}
    assert await rescuer.look(ledger) == 5


async def test_a_claim_is_given_back_while_an_unknown_interviewer_may_take_the_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(candidate_check, "time", SimpleNamespace(monotonic=lambda: now_s))
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.here = {CANDIDATE, "interviewer-AJ_began_without_database"}
    rescuer = rescue_in(rooms)
    assert await rescuer.look(ledger) == 0
    assert ledger.given_back == list(ledger.whys)
    now_s += 4.9
    assert await rescuer.look(ledger) == 0
    now_s += 0.2
    assert await rescuer.look(ledger) == 5


async def test_of_many_other_interviews_the_participants_are_listed_before_a_claim() -> None:
    ledger, rooms = ManyLeases(5, why=NOT_TAKEN), StaleRooms()
    rooms.here = set()
    assert await rescue_in(rooms).look(ledger) == 0
    assert ledger.claimed == []
    assert [(look.absent, look.token) for look in ledger.looks] == [(True, 1)] * 5


async def test_the_participants_of_rooms_that_do_not_exist_are_not_listed() -> None:
    class NoRooms(MemoryRooms):
        async def counts(self, rooms: Collection[str]) -> dict[str, int]:
            return {}

    ledger, rooms = ManyLeases(5), NoRooms()
    rooms.broken = {"people"}
    assert await rescue_in(rooms).look(ledger) == 0
    assert ledger.claimed == []
    assert [look.absent for look in ledger.looks] == [True] * 5


async def test_nothing_is_claimed_while_livekit_cannot_count_the_participants() -> None:
    ledger, rooms = ManyLeases(5), MemoryRooms()
    rooms.broken = {"counts"}
    assert await rescue_in(rooms).look(ledger) == 0
    assert (ledger.claimed, ledger.looks) == ([], [])


# --- the leader -----------------------------------------------------------------------------------


WATCH_S = 0.5


class Duty:
    """A leader lock (a row of `duties`) on the event loop's time."""

    def __init__(self) -> None:
        self.holder = ""
        self.until = 0.0
        self.looks: list[tuple[str, float]] = []
        self.sweeps = 0

    def watcher(self, name: str) -> Watcher:
        loop = asyncio.get_running_loop()

        async def on_duty(for_s: float) -> bool:
            if self.holder != name and self.until > loop.time():
                return False
            self.holder, self.until = name, loop.time() + for_s
            return True

        async def look() -> None:
            self.looks.append((name, loop.time()))
            if len(self.looks) == 2:
                raise DatabaseUnavailable("find_stranded", OSError(), "postgresql://database")
            if len(self.looks) == 3:
                raise RuntimeError

        def may_lead() -> bool:
            return self.holder in ("", name) or self.until <= loop.time()

        async def sweep() -> None:
            self.sweeps += 1

        return Watcher(may_lead=may_lead, on_duty=on_duty, look=look, sweep=sweep, every_s=WATCH_S)


@pytest.mark.row("B4")
@pytest.mark.looptime
async def test_one_worker_is_the_leader_and_another_takes_over_when_it_dies() -> None:
    duty = Duty()
    first = asyncio.create_task(duty.watcher("first").run())
    await asyncio.sleep(0.5)
    second = asyncio.create_task(duty.watcher("second").run())
    await asyncio.sleep(9)
    assert {name for name, _ in duty.looks} == {"first"}
    assert 17 <= len(duty.looks) <= 22
    assert duty.sweeps == 1
    first.cancel()
    died_at = asyncio.get_running_loop().time()
    await asyncio.sleep(10)
    await end(second)
    taken_at = next(at for name, at in duty.looks if name == "second")
    # The takeover comes before the leases of the dead worker's interviews expire.
    assert taken_at - died_at <= 1.1 * WATCH_S + SPARE_S + 1.1 * WATCH_S <= 1.05 * LEASE_S


@pytest.mark.looptime
async def test_a_leader_whose_renewal_failed_asks_for_its_lock_again_at_the_next_check() -> None:
    asked: list[float] = []

    async def on_duty(_: float) -> bool:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 2:
            raise RuntimeError
        return True

    async def nothing() -> None:
        """Find no interview."""

    watcher = Watcher(
        may_lead=lambda: True, on_duty=on_duty, look=nothing, sweep=nothing, every_s=WATCH_S
    )
    watching = asyncio.create_task(watcher.run())
    await asyncio.sleep(4)
    await end(watching)
    first, failed, again = asked[:3]
    assert failed - first >= (WATCH_S + SPARE_S) / 2
    assert again - failed <= 1.1 * WATCH_S


# --- any schedule ---------------------------------------------------------------------------------

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
