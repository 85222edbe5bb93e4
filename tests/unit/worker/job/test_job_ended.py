"""The end of a job from outside, in each of its states."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from states import Event, Outcome, Reason, State
from states.testing import (
    assert_entered,
    assert_outcome,
    assert_path,
)
from tests.support.virtual.async_steps import after, broken, for_ever
from tests.support.virtual.job_parts import Rig, TinyApplication, rig, run_for_ever
from tests.support.virtual.resource_parts import resource
from worker.job.signals import SHUTDOWN_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.job.handle import JobHandle

pytestmark = pytest.mark.looptime


# --- ends from outside --------------------------------------------------------------------------


def when_in(held: Rig, state: State, act: Callable[[], object]) -> None:
    """Call `act` at the moment in which the job enters a state."""

    def listen(transition: Any) -> None:
        if transition.target is state and not transition.internal:
            act()

    held.job.life.subscribe(listen)


BEFORE_CLOSING = [s for s in State if s not in (State.HANDSHAKE, State.CLOSING, State.CLOSED)]


@pytest.mark.parametrize("state", BEFORE_CLOSING)
async def test_a_shutdown_ends_the_job_in_any_state(tmp_path: Path, state: State) -> None:
    vad = resource("vad", load=broken) if state is State.DEGRADED else resource("vad")
    held = rig(tmp_path, TinyApplication(declared=[vad], on_run=run_for_ever))
    held.transport.on_start_session = after(1.0)
    when_in(held, state, lambda: held.job.life.post(Event.SHUTDOWN_REQUESTED))
    assert await held.live() is Outcome.CANCELLED
    assert_outcome(held.path, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
    assert held.transport.did[-1] == "leave"


async def test_a_shutdown_during_the_handshake_ends_the_job(tmp_path: Path) -> None:
    async def connect() -> None:
        held.job.life.post(Event.SHUTDOWN_REQUESTED)
        await for_ever()

    held = rig(tmp_path)
    held.transport.on_connect = connect
    assert await held.live() is Outcome.CANCELLED
    assert_path(held.path, "HANDSHAKE", "CLOSING", "CLOSED")


async def test_a_shutdown_while_closing_only_shortens_the_budget(tmp_path: Path) -> None:
    held = rig(tmp_path, INTERVIEW_HURRIED_CLOSING_S=1)
    held.app.session.on_aclose = for_ever
    when_in(held, State.CLOSING, lambda: held.job.life.post(Event.SHUTDOWN_REQUESTED))
    assert await held.live() is Outcome.COMPLETED
    assert assert_entered(held.path, State.CLOSED) <= 1.0


async def test_the_workers_shutdown_signal_ends_the_job(tmp_path: Path) -> None:
    async def run(_: JobHandle) -> None:
        os.kill(os.getpid(), SHUTDOWN_SIGNAL)
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.CANCELLED
    assert_outcome(held.path, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (Event.ROOM_LOST, Outcome.FAILED),
        (Event.ROOM_DELETED, Outcome.CANCELLED),
        (Event.ROOM_CLOSED, Outcome.ABANDONED),
    ],
)
async def test_a_lost_deleted_or_closed_room_ends_the_job(
    tmp_path: Path, event: Event, outcome: Outcome
) -> None:
    async def run(_: JobHandle) -> None:
        held.transport.on_event(event)
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is outcome


@pytest.mark.row("S4")
@pytest.mark.parametrize("state", [*BEFORE_CLOSING, State.CLOSING])
async def test_a_job_cancelled_by_the_framework_still_leaves_the_room(
    tmp_path: Path, state: State
) -> None:
    """A dead worker's job processes are cancelled, and no other process removes the participant."""
    vad = resource("vad", load=broken) if state is State.DEGRADED else resource("vad")
    held = rig(tmp_path, TinyApplication(declared=[vad]))
    if state is not State.CLOSING:
        held.app.on_run = run_for_ever
    held.transport.on_start_session = after(1.0)
    held.app.session.on_aclose = after(0.5)
    life = asyncio.create_task(held.live())
    when_in(held, state, life.cancel)
    expected = Outcome.COMPLETED if state is State.CLOSING else Outcome.FAILED
    assert await life is expected
    assert held.transport.did[-1] == "leave"
    assert_path(held.path, ..., "CLOSING", "CLOSED")
    assert held.step("sync_journal").ok


async def test_repeated_cancellations_do_not_interrupt_closing(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    held.app.session.on_aclose = after(0.5)
    life = asyncio.create_task(held.live())
    for _ in range(20):
        await asyncio.sleep(0.05)
        life.cancel()
    assert await life is Outcome.FAILED
    assert held.transport.did[-1] == "leave"
