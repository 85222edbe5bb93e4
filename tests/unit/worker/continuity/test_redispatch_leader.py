"""Which worker redispatches: the leader lock."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual.async_steps import end
from tests.support.virtual.memory_leases import LEASE_S
from worker.continuity.watcher import SPARE_S, Watcher
from worker.store.errors import DatabaseUnavailable

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


class LongCheck:
    """Two watchers of one lock. The check of the first leader takes 8 s."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.answered = 0
        self.holder, self.until = "", 0.0
        #: Loop time and worker of each check.
        self.looks: list[tuple[float, str]] = []
        self.failures = 0

    def watcher(self, name: str) -> Watcher:
        loop = asyncio.get_running_loop()

        async def on_duty(for_s: float) -> bool:
            if self.failures and self.holder == name:
                self.failures -= 1
                raise DatabaseUnavailable("hold_duty", OSError(), "postgresql://database")
            if self.holder not in ("", name) and self.until > loop.time():
                return False
            self.holder, self.until = name, loop.time() + for_s
            return True

        async def look() -> None:
            self.looks.append((loop.time(), name))
            if len(self.looks) == 1:
                for _ in range(80):
                    await asyncio.sleep(0.1)
                    self.answered += self._answers

        async def sweep() -> None:
            """Find nothing that is over."""

        return Watcher(
            may_lead=lambda: self.holder in ("", name) or self.until <= loop.time(),
            on_duty=on_duty,
            look=look,
            sweep=sweep,
            progress=lambda: self.answered,
            every_s=WATCH_S,
        )

    async def run(self, seconds: float) -> None:
        watching = [asyncio.create_task(self.watcher(name).run()) for name in ("first", "second")]
        await asyncio.sleep(seconds)
        for each in watching:
            await end(each)


@pytest.mark.looptime
@pytest.mark.parametrize("failures", [0, 1])
async def test_a_leader_stays_the_only_one_during_a_check_of_many_interviews(
    failures: int,
) -> None:
    """Otherwise two leaders call LiveKit for the same interviews, each at the full rate."""
    check = LongCheck(answers=True)
    check.failures = failures
    await check.run(7.9)
    assert {name for _, name in check.looks} == {"first"}


@pytest.mark.looptime
async def test_another_worker_leads_while_the_check_of_the_leader_hangs() -> None:
    check = LongCheck(answers=False)
    await check.run(7.9)
    first = next(at for at, name in check.looks if name == "second")
    assert first <= WATCH_S + SPARE_S + 1.1 * WATCH_S + 0.01
