"""Late resources of a job, and a candidate who waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Event, Outcome, Reason, State, Status
from states.testing import (
    assert_condition,
    assert_entered,
    assert_path,
    on,
)
from tests.support.virtual.async_steps import after, broken, for_ever
from tests.support.virtual.job_parts import Rig, TinyApplication, rig
from tests.support.virtual.resource_parts import resource
from worker.audio.clip import ClipMissing
from worker.clips.recordings import ClipName, load_clip
from worker.resources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.job.handle import JobHandle

pytestmark = pytest.mark.looptime

TO_RUNNING = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING")


# --- late resources -----------------------------------------------------------------------------


class Attached:
    """Records the attached values, each with the state of the job."""

    def __init__(self) -> None:
        self.held: Rig | None = None
        self.what: list[tuple[State, object]] = []

    async def __call__(self, session: object, value: object) -> None:
        assert self.held is not None
        assert session is self.held.app.session
        self.what.append((self.held.job.life.state, value))


def with_a_late_one(
    tmp_path: Path, after_s: float, *, run_s: float = 10.0, attach: Any = None
) -> tuple[Rig, Attached]:
    """Return a job whose `vad` needs `after_s` of a budget of 1 s, and which runs for `run_s`."""

    async def run(job: JobHandle) -> None:
        await asyncio.sleep(run_s)
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    attached = Attached()
    late = resource("vad", load=after(after_s), budget_s=1.0, attach=attach or attached)
    held = rig(tmp_path, TinyApplication(declared=[late], on_run=run))
    attached.held = held
    return held, attached


@pytest.mark.row("B2")
async def test_a_resource_that_loads_late_is_attached_to_the_running_session(
    tmp_path: Path,
) -> None:
    held, attached = with_a_late_one(tmp_path, 4.0)
    assert await held.live() is Outcome.COMPLETED
    assert attached.what == [(State.RUNNING, "late")]
    assert_entered(held.path, State.RUNNING, within_s=1.1)
    words = [(c.status, c.reason) for c in held.history.condition_changes]
    assert words == [
        (Status.PENDING, "Loading"),
        (Status.LOST, "LoadTimeout"),
        (Status.READY, "Loaded"),
    ]


async def test_a_resource_that_loads_during_session_start_is_attached_after_it(
    tmp_path: Path,
) -> None:
    """A starting session has no agent yet, and attaching to it would raise."""
    held, attached = with_a_late_one(tmp_path, 2.0)
    held.transport.on_start_session = after(3.0)
    await held.live()
    assert attached.what == [(State.RUNNING, "late")]
    assert_condition(held.path, "vad", Status.READY, "Loaded")


async def test_a_resource_that_loads_before_the_session_exists_is_not_attached(
    tmp_path: Path,
) -> None:
    held, attached = with_a_late_one(tmp_path, 2.0)
    held.app.declared = [*held.app.declared, resource("slow", load=after(4.0))]
    await held.live()
    assert attached.what == []
    assert_path(held.path, *TO_RUNNING, "CLOSING", "CLOSED")


async def test_a_resource_that_cannot_be_attached_stays_lost_and_the_interview_continues(
    tmp_path: Path,
) -> None:
    async def attach(_: object, __: object) -> None:
        await broken()

    held, _ = with_a_late_one(tmp_path, 4.0, attach=attach)
    assert await held.live() is Outcome.COMPLETED
    assert_condition(held.path, "vad", Status.LOST, "LoadTimeout")
    assert [(f["where"], f["error"]) for f in held.history.faults] == [("attach vad", "ValueError")]


async def test_a_late_load_failure_is_only_recorded(tmp_path: Path) -> None:
    async def load() -> None:
        await asyncio.sleep(4)
        await broken()

    late = resource("vad", load=load, budget_s=1.0)
    held, _ = with_a_late_one(tmp_path, 4.0)
    held.app.declared = [late]
    assert await held.live() is Outcome.COMPLETED
    assert held.step("load vad (late)").reason == "ValueError"
    assert_condition(held.path, "vad", Status.LOST)


async def test_optional_resources_do_not_delay_the_session_beyond_the_loading_budget(
    tmp_path: Path,
) -> None:
    held, attached = with_a_late_one(tmp_path, 4.0)
    (vad,) = held.app.declared
    patient = Resource(**{**vars(vad), "budget_s": 5.0})
    held.app.declared = [resource("orchestrator", required=True), patient]
    held.job.life.budgets[State.BOOTSTRAPPING] = 3.0
    assert await held.live() is Outcome.COMPLETED
    assert_path(
        held.path, ..., "BOOTSTRAPPING", on("budget_spent", "DEGRADED"), "RUNNING", "CLOSING", ...
    )
    assert_entered(held.path, State.RUNNING, within_s=3.1)
    assert attached.what == [(State.RUNNING, "late")]
    assert_condition(held.path, "vad", Status.READY, "Loaded")


async def test_a_resource_that_fails_after_the_loading_budget_is_lost(tmp_path: Path) -> None:
    async def load() -> None:
        await asyncio.sleep(4)
        await broken()

    held, _ = with_a_late_one(tmp_path, 4.0)
    held.app.declared = [resource("orchestrator", required=True), resource("vad", load=load)]
    held.job.life.budgets[State.BOOTSTRAPPING] = 3.0
    assert await held.live() is Outcome.COMPLETED
    assert_path(held.path, ..., on("budget_spent", "DEGRADED"), "RUNNING", "CLOSING", "CLOSED")
    assert_condition(held.path, "vad", Status.LOST, "ValueError")


async def test_a_resource_that_loads_after_the_end_is_not_attached(tmp_path: Path) -> None:
    held, attached = with_a_late_one(tmp_path, 4.0, run_s=1.0)
    await held.live()
    assert attached.what == []


async def test_a_hung_attach_does_not_delay_the_job(tmp_path: Path) -> None:
    async def attach(_: object, __: object) -> None:
        await for_ever()

    held, _ = with_a_late_one(tmp_path, 4.0, attach=attach)
    assert await held.live() is Outcome.COMPLETED


# --- announcements to a waiting candidate -------------------------------------------------------


def slow_with_words(tmp_path: Path, words: Callable[[], Any]) -> Rig:
    slow = resource(load=after(4.0))
    return rig(tmp_path, TinyApplication(declared=[slow], words_while_waiting=words))


@pytest.mark.row("B8")
async def test_a_candidate_who_waits_long_hears_a_waiting_message(tmp_path: Path) -> None:
    held = slow_with_words(tmp_path, lambda: load_clip(ClipName.ONE_MOMENT))
    await held.live()
    assert held.transport.line.played == [ClipName.ONE_MOMENT]


async def test_no_waiting_message_is_played_in_an_empty_room(tmp_path: Path) -> None:
    held = slow_with_words(tmp_path, lambda: load_clip(ClipName.ONE_MOMENT))
    held.transport.candidate_is_here = False
    await held.live()
    assert held.transport.line.played == []


async def test_a_fast_start_plays_no_waiting_message(tmp_path: Path) -> None:
    held = slow_with_words(tmp_path, lambda: load_clip(ClipName.ONE_MOMENT))
    held.app.declared = []
    await held.live()
    assert held.transport.line.played == []


async def test_a_missing_waiting_clip_does_not_fail_the_interview(tmp_path: Path) -> None:
    def missing() -> None:
        raise ClipMissing(ClipName.ONE_MOMENT)

    held = slow_with_words(tmp_path, missing)
    assert await held.live() is Outcome.COMPLETED
    assert [f["error"] for f in held.history.faults] == ["ClipMissing"]


@pytest.mark.parametrize("here", [True, False], ids=["candidate present", "candidate absent"])
async def test_the_closing_message_is_played_only_to_a_present_candidate(
    tmp_path: Path, here: bool
) -> None:
    held = rig(tmp_path, TinyApplication(words_at_the_end=ClipName.GOODBYE))
    held.transport.candidate_is_here = here
    await held.live()
    assert held.app.asked_for == [Reason.INTERVIEW_COMPLETED]
    assert held.transport.line.played == ([ClipName.GOODBYE] if here else [])
