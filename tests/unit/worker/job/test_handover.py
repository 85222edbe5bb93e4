"""The handover of a job: its steps in order, whatever hangs or raises."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from states import BUDGETS, Event, Outcome, Reason, State
from states.testing import assert_entered, assert_outcome
from tests.support.virtual.async_steps import broken, deaf, done, end_what_is_left, for_ever
from tests.support.virtual.job_parts import Rig, TinyApplication, rig, run_for_ever
from worker.clips.recordings import ClipName
from worker.faults.points import SUCCESSION_STEPS
from worker.job.handover import hand_over, on_worker_lost
from worker.job.signals import HANDOVER_SIGNAL, SHUTDOWN_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from worker.job.handle import JobHandle
    from worker.job.runner_job import RunnerJob

pytestmark = pytest.mark.looptime

#: Steps of a requested handover, which skips the search for a successor.
STEPS = tuple(step for step in SUCCESSION_STEPS if step != "look_for_successor")


class Passing:
    """A succession that records its steps; a test can replace a step."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.almost_done = False
        self.comes: Callable[[], Awaitable[None]] | None = done
        self.steps: dict[str, Callable[[], Awaitable[None]]] = {}
        self.ends: list[tuple[Outcome, Reason]] = []
        self.at_once: bool | None = None

    async def _step(self, name: str) -> None:
        self.did.append(name)
        await self.steps.get(name, done)()

    async def expects_successor(self, failure: Reason | None) -> bool:
        await self._step("look_for_successor")
        return self.comes is not None

    async def finish_sentence(self, *, at_once: bool) -> None:
        self.at_once = at_once
        await self._step("finish_sentence")

    async def ship(self) -> None:
        await self._step("ship")

    async def release_lease(self, outcome: Outcome, reason: Reason) -> None:
        self.ends.append((outcome, reason))
        await self._step("release_lease")

    async def send_successor(self) -> None:
        await self._step("send_successor")


@dataclass(kw_only=True)
class ContinuedApplication(TinyApplication):
    """An application whose interview another job can continue."""

    succession: Passing = field(default_factory=Passing)


def handed_over(folder: Path, passing: Passing | None = None) -> Rig:
    """Return a job that gets the handover signal as soon as it runs."""

    async def run(job: JobHandle) -> None:
        hand_over(cast("RunnerJob", job))
        await for_ever()

    app = ContinuedApplication(
        on_run=run, words_at_the_end=ClipName.ONE_MOMENT, succession=passing or Passing()
    )
    return rig(folder, app)


async def test_a_handover_runs_its_steps_in_order(
    tmp_path: Path,
) -> None:
    passing = Passing()
    held = handed_over(tmp_path, passing)
    assert await held.live() is Outcome.HANDED_OVER
    assert_outcome(held.path, Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)
    closing = [step.name for step in held.history.steps][3:]
    assert sorted(closing[-4:]) == sorted(
        ["leave_room", "send_successor", "close_resources", "release_lease"]
    )
    assert closing[:7] == [
        "stop_work",
        "finish_sentence",
        "stop_session",
        "last_records",
        "last_words",
        "sync_journal",
        "ship",
    ]
    assert passing.did == ["finish_sentence", "ship", "release_lease", "send_successor"]
    assert passing.ends == [(Outcome.HANDED_OVER, Reason.HANDOVER_REQUESTED)]
    assert held.transport.line.played == [ClipName.ONE_MOMENT]


@pytest.mark.parametrize("how", [for_ever, deaf, broken])
@pytest.mark.parametrize("step", STEPS)
async def test_a_handover_step_that_hangs_or_raises_is_journalled_and_skipped(
    tmp_path: Path, step: str, how: Callable[[], Awaitable[None]]
) -> None:
    passing = Passing()
    passing.steps[step] = how
    held = handed_over(tmp_path, passing)
    assert await held.live() is Outcome.HANDED_OVER
    assert held.step(step).reason == ("ValueError" if how is broken else "TimeoutError")
    assert passing.did == list(STEPS)
    assert held.transport.line.played == [ClipName.ONE_MOMENT]
    closing_s = assert_entered(held.path, State.CLOSED, since=State.CLOSING)
    assert closing_s <= BUDGETS[State.CLOSING]
    await end_what_is_left()


async def test_closing_ends_within_its_budget_even_if_every_handover_step_hangs(
    tmp_path: Path,
) -> None:
    passing = Passing()
    passing.steps = dict.fromkeys(STEPS, for_ever)
    held = handed_over(tmp_path, passing)
    held.app.session.on_aclose = for_ever
    held.transport.on_leave = for_ever
    await held.live()
    closing_s = assert_entered(held.path, State.CLOSED, since=State.CLOSING)
    assert closing_s <= BUDGETS[State.CLOSING] + 0.2 * len(STEPS)
    assert held.transport.line.played == [ClipName.ONE_MOMENT]


async def test_a_job_that_cannot_be_continued_is_ended_instead(tmp_path: Path) -> None:
    async def run(job: JobHandle) -> None:
        hand_over(cast("RunnerJob", job))
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.CANCELLED


async def test_an_interviewer_that_is_saying_goodbye_may_finish(tmp_path: Path) -> None:
    passing = Passing()
    passing.almost_done = True

    async def run(job: JobHandle) -> None:
        hand_over(cast("RunnerJob", job))
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, ContinuedApplication(on_run=run, succession=passing))
    assert await held.live() is Outcome.COMPLETED
    assert passing.did == ["ship", "release_lease"]


@pytest.mark.parametrize(
    ("comes", "outcome"), [(True, Outcome.HANDED_OVER), (False, Outcome.FAILED)]
)
async def test_a_job_that_lost_its_worker_is_handed_over_if_another_worker_can_take_it(
    tmp_path: Path, comes: bool, outcome: Outcome
) -> None:
    passing = Passing()
    passing.comes = done if comes else None

    async def run(job: JobHandle) -> None:
        await on_worker_lost(cast("RunnerJob", job))
        await for_ever()

    held = rig(tmp_path, ContinuedApplication(on_run=run, succession=passing))
    assert await held.live() is outcome
    # The job does not wait for a sentence in progress.
    assert passing.at_once is (True if comes else None)


@pytest.mark.parametrize("how", [for_ever, broken])
async def test_a_job_that_lost_its_worker_is_handed_over_if_the_peers_are_unknown(
    tmp_path: Path, how: Callable[[], Awaitable[None]]
) -> None:
    passing = Passing()
    passing.steps["look_for_successor"] = how

    async def run(job: JobHandle) -> None:
        await on_worker_lost(cast("RunnerJob", job))
        await for_ever()

    held = rig(tmp_path, ContinuedApplication(on_run=run, succession=passing))
    began = asyncio.get_running_loop().time()
    assert await held.live() is Outcome.HANDED_OVER
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_failed_job_looks_for_a_successor_but_dispatches_none(
    tmp_path: Path,
) -> None:
    passing = Passing()

    async def run(_: JobHandle) -> None:
        raise ValueError

    held = rig(tmp_path, ContinuedApplication(on_run=run, succession=passing))
    assert await held.live() is Outcome.FAILED
    assert passing.did == ["look_for_successor", "ship", "release_lease"]
    assert passing.ends == [(Outcome.FAILED, Reason.JOB_CRASHED)]


async def test_a_superseded_job_runs_no_handover_step(tmp_path: Path) -> None:
    passing = Passing()

    async def run(job: JobHandle) -> None:
        await job.life.fire(Event.LEASE_LOST)

    held = rig(tmp_path, ContinuedApplication(on_run=run, succession=passing))
    assert await held.live() is Outcome.SUPERSEDED
    assert passing.did == []


def test_the_two_job_signals_are_not_ones_that_other_processes_send() -> None:
    others = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT}
    assert len({HANDOVER_SIGNAL, SHUTDOWN_SIGNAL} - others) == 2


# --- the time limit ------------------------------------------------------------------------------


async def test_at_the_time_limit_the_sentence_is_finished_before_the_goodbye(
    tmp_path: Path,
) -> None:
    passing = Passing()
    played: list[list[str]] = []

    async def finish() -> None:
        played.append(list(held.transport.line.played))
        await asyncio.sleep(3.0)
        assert held.app.session.closed == 0

    passing.steps["finish_sentence"] = finish
    app = ContinuedApplication(
        on_run=run_for_ever, words_at_the_end=ClipName.GOODBYE, succession=passing
    )
    held = rig(tmp_path, app, INTERVIEW_BUDGET_RUNNING_S=60)
    assert await held.live() is Outcome.COMPLETED
    assert_outcome(held.path, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)
    assert passing.at_once is False
    assert passing.did == ["finish_sentence", "ship", "release_lease"]
    assert held.step("finish_sentence").ok
    assert (played, held.transport.line.played) == ([[]], [ClipName.GOODBYE])


async def test_after_a_cancellation_the_sentence_is_finished_before_the_goodbye(
    tmp_path: Path,
) -> None:
    async def run(job: JobHandle) -> None:
        job.life.post(Event.CANCEL_REQUESTED)
        await run_for_ever(job)

    passing = Passing()
    app = ContinuedApplication(on_run=run, words_at_the_end=ClipName.GOODBYE, succession=passing)
    held = rig(tmp_path, app)
    assert await held.live() is Outcome.CANCELLED
    assert_outcome(held.path, Outcome.CANCELLED, Reason.CANCEL_REQUESTED)
    assert passing.at_once is False
    assert passing.did == ["finish_sentence", "ship", "release_lease"]
    assert held.transport.line.played == [ClipName.GOODBYE]


@pytest.mark.parametrize("how", [for_ever, deaf, broken])
async def test_a_sentence_without_end_does_not_prevent_the_goodbye_at_the_time_limit(
    tmp_path: Path, how: Callable[[], Awaitable[None]]
) -> None:
    passing = Passing()
    passing.steps["finish_sentence"] = how
    app = ContinuedApplication(
        on_run=run_for_ever, words_at_the_end=ClipName.GOODBYE, succession=passing
    )
    held = rig(tmp_path, app, INTERVIEW_BUDGET_RUNNING_S=60)
    assert await held.live() is Outcome.COMPLETED
    assert held.transport.line.played == [ClipName.GOODBYE]
    closing_s = assert_entered(held.path, State.CLOSED, since=State.CLOSING)
    assert closing_s <= BUDGETS[State.CLOSING]
    await end_what_is_left()


async def test_no_other_end_waits_for_the_sentence(tmp_path: Path) -> None:
    async def run(job: JobHandle) -> None:
        await job.life.fire(Event.CANDIDATE_SILENT)

    passing = Passing()
    held = rig(tmp_path, ContinuedApplication(on_run=run, succession=passing))
    await held.live()
    assert "finish_sentence" not in passing.did
