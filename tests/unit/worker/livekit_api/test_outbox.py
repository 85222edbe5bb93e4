"""The outbox of LiveKit calls: limits of number and rate, priorities, deadlines, cancellation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from worker.aio.tasks import cancel_and_wait
from worker.livekit_api.errors import LiveKitCallLate, LiveKitCallRefused, LiveKitError
from worker.livekit_api.outbox import COUNTED, LiveKitOutbox, Priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime

#: A rate that delays nothing in these tests.
UNLIMITED = 1e9


class Calls:
    """Calls that take `lasts_s` seconds; notes when each began, and how many ran at once."""

    def __init__(self, lasts_s: float = 1.0) -> None:
        self.lasts_s = lasts_s
        self.began: dict[str, float] = {}
        self.most = 0
        self._running = 0

    def named(self, name: str) -> Callable[[], Awaitable[str]]:
        async def call() -> str:
            self.began[name] = asyncio.get_running_loop().time()
            self._running += 1
            self.most = max(self.most, self._running)
            try:
                await asyncio.sleep(self.lasts_s)
            finally:
                self._running -= 1
            return name

        return call


def start(
    outbox: LiveKitOutbox,
    calls: Calls,
    name: str,
    priority: Priority = Priority.REDISPATCH,
    deadline_s: float = 60.0,
) -> asyncio.Task[str]:
    work = outbox.run(calls.named(name), priority=priority, deadline_s=deadline_s)
    return asyncio.create_task(work, name=name)


async def settle() -> None:
    """Let the tasks that were just created reach their wait."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_call_returns_its_result_and_leaves_nothing() -> None:
    outbox = LiveKitOutbox()
    assert await start(outbox, Calls(), "one") == "one"
    assert (outbox.in_flight, outbox.waiting, outbox.refused, outbox.late) == (0, 0, 0, 0)


async def test_no_more_calls_run_at_once_than_there_are_places() -> None:
    outbox, calls = LiveKitOutbox(at_once=3, per_second=UNLIMITED), Calls()
    tasks = [start(outbox, calls, str(number)) for number in range(8)]
    await settle()
    assert (outbox.in_flight, outbox.waiting) == (3, 5)
    assert await asyncio.gather(*tasks) == [str(number) for number in range(8)]
    assert calls.most == 3
    assert list(calls.began.values()) == pytest.approx([0, 0, 0, 1, 1, 1, 2, 2])


async def test_after_a_burst_calls_are_made_at_the_rate() -> None:
    outbox, calls = LiveKitOutbox(at_once=100, per_second=10, burst=5), Calls(lasts_s=0)
    await asyncio.gather(*(start(outbox, calls, str(number)) for number in range(15)))
    later = [number / 10 for number in range(1, 11)]
    assert list(calls.began.values()) == pytest.approx([0.0] * 5 + later, abs=1e-3)


async def test_a_quiet_time_allows_one_burst_and_no_more() -> None:
    outbox, calls = LiveKitOutbox(at_once=100, per_second=10, burst=2), Calls(lasts_s=0)
    await start(outbox, calls, "first")
    await asyncio.sleep(1000)
    await asyncio.gather(*(start(outbox, calls, str(number)) for number in range(4)))
    began = list(calls.began.values())[1:]
    assert [at - 1000 for at in began] == pytest.approx([0, 0, 0.1, 0.2], abs=1e-3)


async def test_a_redispatch_overtakes_waiting_absence_checks() -> None:
    outbox, calls = LiveKitOutbox(at_once=1, per_second=UNLIMITED), Calls()
    tasks = [
        start(outbox, calls, "running", Priority.ABSENCE_CHECK),
        start(outbox, calls, "check 1", Priority.ABSENCE_CHECK),
        start(outbox, calls, "check 2", Priority.ABSENCE_CHECK),
        start(outbox, calls, "redispatch 1"),
        start(outbox, calls, "redispatch 2"),
    ]
    await asyncio.gather(*tasks)
    assert list(calls.began) == ["running", "redispatch 1", "redispatch 2", "check 1", "check 2"]


async def test_hanging_absence_checks_leave_places_for_a_redispatch() -> None:
    outbox = LiveKitOutbox(at_once=4, per_second=UNLIMITED)
    hanging = Calls(lasts_s=600)
    checks = [start(outbox, hanging, str(n), Priority.ABSENCE_CHECK) for n in range(6)]
    await settle()
    assert (outbox.in_flight, outbox.waiting) == (2, 4)
    assert await start(outbox, Calls(), "redispatch") == "redispatch"
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)
    await cancel_and_wait(*checks)
    assert (outbox.in_flight, outbox.waiting) == (0, 0)


async def test_if_too_many_calls_wait_the_oldest_absence_check_is_refused() -> None:
    outbox = LiveKitOutbox(at_once=1, per_second=UNLIMITED, most_waiting=2)
    calls = Calls()
    names = ["running", "check 1", "check 2", "check 3", "redispatch 1", "redispatch 2"]
    priorities = [Priority.REDISPATCH, *[Priority.ABSENCE_CHECK] * 3, *[Priority.REDISPATCH] * 2]
    tasks = [start(outbox, calls, *each) for each in zip(names, priorities, strict=True)]
    await settle()
    assert [task.get_name() for task in tasks if task.done()] == ["check 1", "check 2", "check 3"]
    assert (outbox.waiting, outbox.refused) == (2, 3)
    with pytest.raises(LiveKitCallRefused, match="2 calls of this worker wait"):
        await start(outbox, calls, "redispatch 3")
    assert outbox.refused == 4
    for refused in tasks[1:4]:
        assert isinstance(refused.exception(), LiveKitCallRefused)
    await asyncio.gather(tasks[0], *tasks[4:])
    assert list(calls.began) == ["running", "redispatch 1", "redispatch 2"]


async def test_an_absence_check_is_refused_itself_if_only_redispatches_wait() -> None:
    outbox = LiveKitOutbox(at_once=1, per_second=UNLIMITED, most_waiting=1)
    calls = Calls()
    tasks = [start(outbox, calls, "running"), start(outbox, calls, "waiting")]
    await settle()
    with pytest.raises(LiveKitCallRefused):
        await start(outbox, calls, "check", Priority.ABSENCE_CHECK)
    await asyncio.gather(*tasks)


async def test_a_thousand_times_more_calls_than_places_leave_nothing_behind() -> None:
    outbox = LiveKitOutbox(at_once=2, per_second=UNLIMITED, most_waiting=10)
    calls = Calls()
    tasks = [start(outbox, calls, str(n), Priority.ABSENCE_CHECK) for n in range(2000)]
    await settle()
    assert outbox.waiting == 10
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(each, LiveKitCallRefused) for each in results) == outbox.refused
    assert len(calls.began) == 2000 - outbox.refused
    assert (outbox.in_flight, outbox.waiting) == (0, 0)


async def test_a_call_that_waits_longer_than_its_deadline_is_dropped_and_not_made() -> None:
    outbox, calls = LiveKitOutbox(at_once=1, per_second=UNLIMITED), Calls(lasts_s=10)
    running = start(outbox, calls, "running")
    await settle()
    with pytest.raises(TimeoutError) as late:
        await start(outbox, calls, "late", deadline_s=2.0)
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    assert isinstance(late.value, LiveKitCallLate)
    assert isinstance(late.value, LiveKitError)
    assert "its turn did not come in 2 s" in str(late.value)
    assert (outbox.waiting, outbox.late) == (0, 1)
    await running
    assert list(calls.began) == ["running"]


async def test_the_deadline_does_not_limit_a_call_that_has_begun() -> None:
    outbox = LiveKitOutbox()
    assert await start(outbox, Calls(lasts_s=10), "long", deadline_s=1.0) == "long"


async def test_a_cancelled_waiting_call_leaves_its_turn_to_the_next() -> None:
    outbox, calls = LiveKitOutbox(at_once=1, per_second=UNLIMITED), Calls()
    tasks = [start(outbox, calls, name) for name in ("running", "cancelled", "next")]
    await settle()
    await cancel_and_wait(tasks[1])
    assert (outbox.in_flight, outbox.waiting) == (1, 1)
    await asyncio.gather(tasks[0], tasks[2])
    assert list(calls.began) == ["running", "next"]
    assert (outbox.in_flight, outbox.waiting) == (0, 0)


async def test_a_call_that_is_cancelled_as_its_turn_comes_frees_its_place() -> None:
    outbox, calls = LiveKitOutbox(at_once=1, per_second=UNLIMITED), Calls()
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    first = asyncio.create_task(
        outbox.run(lambda: gate, priority=Priority.REDISPATCH, deadline_s=60)
    )
    await settle()
    cancelled = start(outbox, calls, "cancelled")
    await settle()
    gate.set_result(None)
    # The first call ends now, and gives its place to the second, whose task has not resumed yet.
    await asyncio.sleep(0)
    assert (outbox.in_flight, outbox.waiting) == (1, 0)
    cancelled.cancel()
    await asyncio.wait({first, cancelled})
    assert cancelled.cancelled()
    assert calls.began == {}
    assert (outbox.in_flight, outbox.waiting) == (0, 0)
    assert await start(outbox, calls, "next") == "next"


async def test_cancelling_the_only_waiting_call_ends_the_wait_for_a_token() -> None:
    outbox, calls = LiveKitOutbox(per_second=0.001, burst=1), Calls(lasts_s=0)
    await start(outbox, calls, "first")
    waiting = start(outbox, calls, "waiting", deadline_s=5000)
    await settle()
    assert outbox.waiting == 1
    await cancel_and_wait(waiting)
    assert (outbox.in_flight, outbox.waiting) == (0, 0)
    await asyncio.sleep(5000)
    assert list(calls.began) == ["first"]


async def test_a_call_that_fails_frees_its_place() -> None:
    outbox = LiveKitOutbox(at_once=1)

    async def fails() -> None:
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await outbox.run(fails, priority=Priority.REDISPATCH, deadline_s=1)
    assert outbox.in_flight == 0


@pytest.mark.parametrize(
    "limits", [{"at_once": 0}, {"burst": 0}, {"per_second": 0}, {"most_waiting": -1}]
)
def test_limits_that_let_no_call_pass_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must let calls pass"):
        LiveKitOutbox(**limits)


async def test_only_answered_calls_of_the_tasks_that_a_check_starts_count_as_its_progress() -> None:
    outbox, calls = LiveKitOutbox(), Calls()

    async def check() -> None:
        COUNTED.set(True)
        await asyncio.gather(*(start(outbox, calls, name) for name in ("a", "b")))

    await asyncio.gather(asyncio.create_task(check()), start(outbox, calls, "of another task"))
    assert outbox.answered == 2
