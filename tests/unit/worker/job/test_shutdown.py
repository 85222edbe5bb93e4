"""The closing of a job, step by step, and a disk that takes no journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from states import BUDGETS, Event, MemoryJournal, Outcome, State
from states.table import HURRIED_CLOSING_S
from states.testing import (
    assert_entered,
    assert_path,
    history_of,
)
from tests.support.virtual.async_steps import (
    broken,
    cancelled_inside,
    deaf,
    end_what_is_left,
    for_ever,
)
from tests.support.virtual.job_parts import HeardLine, RealTimeSink, Rig, TinyApplication, rig
from tests.support.virtual.resource_parts import resource
from worker.audio.frames import frame_of
from worker.clips.recordings import ClipName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from worker.audio.clip import Clip
    from worker.job.handle import JobHandle

pytestmark = pytest.mark.looptime

TO_RUNNING = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING")


# --- closing ------------------------------------------------------------------------------------


def hang_at(held: Rig, step: str, how: Callable[[], Awaitable[None]]) -> None:
    async def close(_: object) -> None:
        await how()

    async def run(job: JobHandle) -> None:
        job.life.post(Event.INTERVIEW_COMPLETED)
        await how()

    async def unheard(clip: Clip) -> float:
        await how()
        return 0.0

    match step:
        case "stop_work":
            held.app.on_run = run
        case "stop_session":
            held.app.session.on_aclose = how
        case "last_words":
            held.app.words_at_the_end = ClipName.GOODBYE
            held.transport.line.play = unheard  # type: ignore[method-assign]  # one of its many ways to hang
        case "leave_room":
            held.transport.on_leave = how
        case "close engine":
            held.app.declared = [resource(close=close), resource("other", close=close)]


STEPS = ("stop_work", "stop_session", "last_words", "leave_room", "close engine")


@pytest.mark.row("B9")
@pytest.mark.parametrize(
    ("step", "how"),
    # Work that can be cancelled does not hang.
    [("stop_work", deaf), *((step, how) for step in STEPS[1:] for how in (for_ever, deaf))],
)
async def test_a_closing_step_that_hangs_is_journalled_and_skipped(
    tmp_path: Path, step: str, how: Callable[[], Awaitable[None]]
) -> None:
    held = rig(tmp_path)
    hang_at(held, step, how)
    assert await held.live() is Outcome.COMPLETED
    assert held.step(step).reason in ("TimeoutError", "CloseTimeout")
    assert held.step("sync_journal").ok
    assert_path(held.path, ..., "CLOSING", "CLOSED")
    assert "leave" in held.transport.did
    await end_what_is_left()


@pytest.mark.row("B9")
@pytest.mark.parametrize("how", [broken, cancelled_inside], ids=["raises", "is cancelled inside"])
@pytest.mark.parametrize("step", STEPS[1:])
async def test_a_closing_step_that_raises_is_journalled_and_skipped(
    tmp_path: Path, step: str, how: Callable[[], Awaitable[None]]
) -> None:
    held = rig(tmp_path)
    hang_at(held, step, how)
    assert await held.live() is Outcome.COMPLETED
    assert held.step(step).reason in ("ValueError", "CancelledInside")
    assert held.step("sync_journal").ok


@pytest.mark.row("C2", "B9")
async def test_closing_tries_every_step_and_ends_even_if_all_of_them_hang(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path)
    for step in STEPS[1:]:
        hang_at(held, step, for_ever)
    await held.live()
    closing_s = assert_entered(held.path, State.CLOSED, since=State.CLOSING)
    assert closing_s <= BUDGETS[State.CLOSING]
    assert {step.name for step in held.history.steps} >= {*STEPS, "close other", "sync_journal"}


@pytest.mark.row("B9")
async def test_each_step_gets_the_minimum_time_once_the_closing_budget_is_spent(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path, INTERVIEW_BUDGET_CLOSING_S=1)
    for step in STEPS[1:]:
        hang_at(held, step, for_ever)
    began = asyncio.get_running_loop().time()
    await held.live()
    assert asyncio.get_running_loop().time() - began <= 1 + 0.2 * len(STEPS)
    assert held.step("sync_journal").ok


@pytest.mark.row("B9")
@pytest.mark.parametrize("how", [for_ever, deaf])
async def test_a_hurried_closing_keeps_time_for_the_longest_apology_even_if_steps_hang(
    tmp_path: Path, how: Callable[[], Awaitable[None]]
) -> None:
    async def run(job: JobHandle) -> None:
        job.life.post(Event.SHUTDOWN_REQUESTED)
        await how()

    held = rig(tmp_path, TinyApplication(on_run=run, words_at_the_end=ClipName.CANNOT_GO_ON))
    held.transport.line = HeardLine(RealTimeSink())
    held.app.session.on_aclose = how
    await held.live()
    assert held.step("stop_session").reason == "TimeoutError"
    assert held.transport.line.played == [ClipName.CANNOT_GO_ON]
    assert held.step("sync_journal").ok
    closing_s = assert_entered(held.path, State.CLOSED, since=State.CLOSING)
    assert closing_s <= HURRIED_CLOSING_S
    await end_what_is_left()


async def test_the_closing_message_does_not_wait_for_an_unfinished_utterance(
    tmp_path: Path,
) -> None:
    async def run(job: JobHandle) -> None:
        await held.transport.line.capture_frame(frame_of(np.ones(2400, np.int16), 24_000))
        job.life.post(Event.SHUTDOWN_REQUESTED)
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run, words_at_the_end=ClipName.CANNOT_GO_ON))
    held.app.session.on_aclose = for_ever
    await held.live()
    assert held.transport.line.played == [ClipName.CANNOT_GO_ON]


async def test_the_closing_message_is_skipped_if_the_audio_output_did_not_open(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path, TinyApplication(words_at_the_end=ClipName.CANNOT_GO_ON))
    held.transport.on_open_line = broken
    assert await held.live() is Outcome.FAILED
    assert not held.step("last_words").ok
    assert assert_entered(held.path, State.CLOSED, since=State.CLOSING) < 0.5


# --- a full disk --------------------------------------------------------------------------------


async def test_a_job_whose_journal_cannot_be_opened_still_runs(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file where a folder should be")
    held = rig(tmp_path)
    assert await held.live() is Outcome.COMPLETED
    assert isinstance(held.job.life.journal, MemoryJournal)
    assert_path(held.job.life, *TO_RUNNING[:-2], "DEGRADED", "RUNNING", "CLOSING", "CLOSED")


async def test_a_disk_that_fills_up_while_running_does_not_stop_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lifecycle changes state only after writing to the journal: a fallback prevents a hang."""

    def no_space(_: int, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    async def run(job: JobHandle) -> None:
        monkeypatch.setattr("states.file_journal.os.write", no_space)
        await job.keep_turn(speaker="candidate", text="Hello.", question_id="q1")
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.COMPLETED
    monkeypatch.undo()
    assert_path(held.job.life, *TO_RUNNING, "CLOSING", "CLOSED")
    assert_path(held.path, *TO_RUNNING)
    assert [turn.text for turn in history_of(held.job.life).turns] == ["Hello."]
