from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING

import pytest

from states import (
    Condition,
    Conditions,
    Event,
    IllegalTransition,
    Lifecycle,
    State,
    Transition,
)
from states.testing import (
    assert_path,
    history_of,
    loaded,
    lost,
    one_of,
    run_virtual,
)
from states.transition import LifecycleStopped
from tests.support.virtual.lifecycle_steps import FullJournal, settled, take, way_to

if TYPE_CHECKING:
    from states.pytest_plugin import StartLifecycle


async def test_a_cancelled_caller_loses_nothing(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    caller = asyncio.create_task(job.fire(Event.ROOM_CONNECTED))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await job.reached(State.CONNECTED)
    assert (await job.fire(Event.BOOTSTRAP_STARTED)).target is State.BOOTSTRAPPING


async def test_events_are_processed_in_the_order_of_arrival(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    async with asyncio.TaskGroup() as group:
        for step in way_to(State.RUNNING):
            group.create_task(job.fire(*step))
    assert_path(
        job, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", one_of("READY", "DEGRADED"), "RUNNING"
    )


async def test_a_refused_event_names_the_allowed_events(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    with pytest.raises(IllegalTransition, match="session_started is not allowed in HANDSHAKE") as e:
        await job.fire(Event.SESSION_STARTED)
    assert Event.ROOM_CONNECTED in e.value.allowed
    assert Event.SESSION_STARTED not in e.value.allowed


async def test_a_refused_post_is_recorded_and_the_job_continues(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    job = lifecycle()
    job.post(Event.SESSION_STARTED)
    await job.fire(Event.ROOM_CONNECTED)
    assert history_of(job).faults[0]["where"] == "event session_started"
    assert history_of(job).faults[0]["error"] == "IllegalTransition"
    assert "session_started was refused" in caplog.text


async def test_waiting_for_a_past_state_returns_at_once(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle()
    await take(job, *way_to(State.CLOSED))
    assert await job.reached(State.RUNNING, State.HANDSHAKE) is State.HANDSHAKE


async def test_a_listener_that_raises_is_recorded_and_stops_neither_job_nor_listeners(
    lifecycle: StartLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    job = lifecycle()
    heard: list[Event | None] = []

    def broken(transition: Transition) -> None:
        raise ZeroDivisionError

    job.subscribe(broken)
    job.subscribe(lambda transition: heard.append(transition.event))
    await job.fire(Event.ROOM_CONNECTED)
    await job.fire(Event.BOOTSTRAP_STARTED)
    await settled()

    assert heard == [Event.ROOM_CONNECTED, Event.BOOTSTRAP_STARTED]
    assert history_of(job).faults[0]["where"] == "listener"
    assert history_of(job).faults[0]["error"] == "ZeroDivisionError"
    assert "a listener failed on room_connected" in caplog.text


async def test_a_listener_that_raises_into_a_full_journal_does_not_end_the_job(
    lifecycle: StartLifecycle,
) -> None:
    job = lifecycle(journal=(journal := FullJournal()))

    def broken(transition: Transition) -> None:
        journal.full = True
        raise ZeroDivisionError

    job.subscribe(broken)
    await job.fire(Event.ROOM_CONNECTED)
    await settled()
    journal.full = False
    assert (await job.fire(Event.BOOTSTRAP_STARTED)).target is State.BOOTSTRAPPING


async def test_a_listener_may_post_the_next_event(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    job.subscribe(
        lambda x: job.post(Event.BOOTSTRAP_STARTED) if x.target is State.CONNECTED else None
    )
    await job.fire(Event.ROOM_CONNECTED)
    assert await job.reached(State.BOOTSTRAPPING) is State.BOOTSTRAPPING


async def test_listeners_see_the_context_that_the_job_was_started_in(
    lifecycle: StartLifecycle,
) -> None:
    job_id: contextvars.ContextVar[str] = contextvars.ContextVar("job_id")
    job_id.set("job-1")
    job = lifecycle()
    seen: list[str] = []
    job.subscribe(lambda _: seen.append(job_id.get()))
    await job.fire(Event.ROOM_CONNECTED)
    await settled()
    assert seen == ["job-1"]


async def test_stopping_releases_all_waiters() -> None:
    job = Lifecycle()
    job.start()
    held = asyncio.Event()

    async def hold_the_owner(transition: Transition) -> None:
        held.set()
        await asyncio.Event().wait()

    job.subscribe(hold_the_owner)
    await job.fire(Event.ROOM_CONNECTED)
    await held.wait()
    waiting = asyncio.create_task(job.fire(Event.BOOTSTRAP_STARTED))
    watching = asyncio.create_task(job.reached(State.CLOSED))
    await settled()
    await job.stop()

    with pytest.raises(LifecycleStopped):
        await waiting
    with pytest.raises(LifecycleStopped):
        await watching
    assert job.state is State.CONNECTED


async def test_events_after_the_stop_are_refused_or_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Lifecycle() as job:
        pass
    with pytest.raises(LifecycleStopped):
        await job.fire(Event.ROOM_CONNECTED)
    with caplog.at_level(logging.WARNING):
        job.post(Event.ROOM_CONNECTED)
    assert "room_connected came after the lifecycle had stopped" in caplog.text
    assert job.state is State.HANDSHAKE


async def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    job = Lifecycle()
    await job.stop()
    async with Lifecycle() as started:
        await started.stop()


async def test_a_second_start_is_refused(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    with pytest.raises(RuntimeError, match="already been started"):
        job.start()


async def test_cancelling_a_caller_of_stop_is_not_swallowed() -> None:
    job = Lifecycle()
    job.start()
    stubborn = asyncio.Event()
    held = asyncio.Event()

    async def slow_to_end(transition: Transition) -> None:
        held.set()
        try:
            await asyncio.Event().wait()
        finally:
            await stubborn.wait()

    job.subscribe(slow_to_end)
    await job.fire(Event.ROOM_CONNECTED)
    await held.wait()
    stopping = asyncio.create_task(job.stop())
    await settled()
    stopping.cancel()
    await settled()
    assert stopping.cancelled()
    stubborn.set()
    await job.stop()


def test_no_timer_is_left_after_the_stop() -> None:
    async def run() -> float:
        async with Lifecycle() as job:
            await job.fire(Event.ROOM_CONNECTED)
        loop = asyncio.get_running_loop()
        assert not [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # no public list of timers
        return loop.time()

    assert run_virtual(run()) == 0.0


def test_a_thousand_concurrent_machines_are_independent() -> None:
    async def one(number: int) -> tuple[State, ...]:
        async with Lifecycle() as job:
            for step in way[: len(way) - number % 2]:
                await asyncio.sleep(number % 7 / 100)
                await job.fire(*step)
            return history_of(job).path

    way = way_to(State.RUNNING)

    async def all_of_them() -> list[tuple[State, ...]]:
        return await asyncio.gather(*(one(number) for number in range(1000)))

    paths = run_virtual(all_of_them())
    assert {path[-1] for path in paths[::2]} == {State.RUNNING}
    assert len({path[-1] for path in paths[1::2]}) == 1
    assert State.RUNNING not in paths[1]


async def test_conditions_come_from_the_last_report(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    await job.fire(Event.LOADER_REPORTED, lost("vad"))
    await job.fire(Event.LOADER_REPORTED, loaded("vad"))
    assert isinstance(job.conditions, Conditions)
    assert isinstance(job.conditions["vad"], Condition)
    assert job.conditions.missing == ()
