"""A whole job on virtual time, with a fault injected at each phase of its life."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from states import Event, History, Outcome, Reason, State, Status
from states.testing import assert_condition, assert_outcome, assert_path
from tests.support.virtual.job_parts import JOB_ID, Rig, TinyApplication, rig
from worker import faults
from worker.clips.recordings import ClipName
from worker.faults.grammar import parse
from worker.faults.points import CLOSING_STEPS, SUCCESSION_STEPS
from worker.resources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from worker.resources.bootstrap import AgentResources

pytestmark = pytest.mark.looptime

ALL_THE_WAY = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING", "CLOSING", "CLOSED")
DEGRADED = tuple(state.replace("READY", "DEGRADED") for state in ALL_THE_WAY)
NEVER_CONNECTED = ("HANDSHAKE", "CLOSING", "CLOSED")
NEVER_LOADED = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED")
NEVER_STARTED = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "CLOSING", "CLOSED")

#: The closing steps of every job; test_handed_over covers the others.
STEPS = [step for step in CLOSING_STEPS if step not in SUCCESSION_STEPS]
#: Seconds of the CLOSING budget; the steps after a step that spent them still run.
CLOSING_S = 10.0


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


async def loaded(_: AgentResources) -> object:
    return object()


def interview() -> TinyApplication:
    """Return an application with a required resource, an optional one and a closing clip."""
    return TinyApplication(
        declared=(
            Resource(
                name="orchestrator",
                loss="no interview",
                load=loaded,
                required=True,
                failed_event=Event.ORCHESTRATOR_FAILED,
            ),
            Resource(name="vad", loss="less exact turns", load=loaded, budget_s=2.0),
        ),
        words_at_the_end=ClipName.GOODBYE,
    )


async def rehearse(folder: Path, text: str, app: TinyApplication | None = None) -> Rig:
    """Run a job with these faults to its end."""
    faults.arm(parse(text))  # as a process does before its job starts
    made = rig(folder, app or interview(), INTERVIEW_BUDGET_CLOSING_S=CLOSING_S)
    await made.live()
    # A process releases its audio output when it exits; a test must close it.
    await made.transport.line.aclose()
    return made


def assert_closed_in_time(history: History) -> None:
    """Assert that closing finished its steps within its budget plus half a second."""
    closing, closed = (
        next(each.t for each in history.transitions if each.target is state)
        for state in (State.CLOSING, State.CLOSED)
    )
    assert closed - closing <= CLOSING_S + 0.5
    assert [step.name for step in history.steps if step.name in CLOSING_STEPS] == STEPS


@pytest.mark.row("C3", "C4", "S8", "B11")
@pytest.mark.parametrize(
    ("text", "path", "outcome", "reason"),
    [
        ("connect=raise", NEVER_CONNECTED, Outcome.FAILED, Reason.HANDSHAKE_FAILED),
        ("connect=hang", NEVER_CONNECTED, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT),
        ("connect=slow:1", ALL_THE_WAY, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED),
        ("open_line=raise", NEVER_STARTED, Outcome.FAILED, Reason.JOB_CRASHED),
        ("open_line=slow:1", ALL_THE_WAY, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED),
        ("load.vad=raise", DEGRADED, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED),
        ("load.vad=hang", DEGRADED, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED),
        ("load.vad=slow:1", ALL_THE_WAY, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED),
        ("load.vad=close@1", ALL_THE_WAY, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED),
        ("load.orchestrator=raise", NEVER_LOADED, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED),
        ("load.orchestrator=hang", NEVER_LOADED, Outcome.FAILED, Reason.BOOTSTRAP_TIMEOUT),
        ("load=raise", NEVER_LOADED, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED),
        ("start_session=raise", NEVER_STARTED, Outcome.FAILED, Reason.SESSION_FAILED),
        ("start_session=hang", NEVER_STARTED, Outcome.FAILED, Reason.SESSION_START_TIMEOUT),
    ],
)
async def test_an_injected_fault_leads_to_the_state_given_by_the_table(
    tmp_path: Path, text: str, path: tuple[str, ...], outcome: Outcome, reason: Reason
) -> None:
    lived = await rehearse(tmp_path, text)
    assert_path(lived.history, *path)
    assert_outcome(lived.history, outcome, reason)
    assert_closed_in_time(lived.history)
    assert lived.history.header["faults"] == [text]


@pytest.mark.parametrize(("text", "reason"), [("raise", "FaultInjected"), ("hang", "LoadTimeout")])
async def test_a_resource_lost_to_a_fault_has_the_reason_in_its_condition(
    tmp_path: Path, text: str, reason: str
) -> None:
    lived = await rehearse(tmp_path, f"load.vad={text}")
    assert_condition(lived.history, "vad", Status.LOST, reason)


@pytest.mark.row("B9")
@pytest.mark.parametrize("kind", ["raise", "hang", "slow:60"])
@pytest.mark.parametrize("step", STEPS)
async def test_closing_ends_in_time_whichever_step_fails_or_hangs(
    tmp_path: Path, step: str, kind: str
) -> None:
    lived = await rehearse(tmp_path, f"close.{step}={kind}")
    assert_path(lived.history, *ALL_THE_WAY)
    assert_outcome(lived.history, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert_closed_in_time(lived.history)
    spoiled = lived.step(step)
    assert not spoiled.ok
    assert spoiled.reason == ("FaultInjected" if kind == "raise" else "TimeoutError")
    assert ("leave" in lived.transport.did) is (step != "leave_room")


@pytest.mark.parametrize("kind", ["raise", "hang", "slow:60"])
async def test_closing_ends_in_time_when_every_step_fails(tmp_path: Path, kind: str) -> None:
    lived = await rehearse(tmp_path, f"close={kind}")
    assert_path(lived.history, *ALL_THE_WAY)
    assert_closed_in_time(lived.history)
    assert not any(lived.step(step).ok for step in STEPS)


@pytest.mark.parametrize(
    ("text", "on_disk"),
    [
        ("journal.open=raise", []),
        ("journal.write=raise", []),
        # The journal is written as soon as the disk accepts writes.
        ("journal.write=raise@1", [*ALL_THE_WAY]),
        ("journal.write=raise@running", [*ALL_THE_WAY]),
        ("journal.sync=raise", [*ALL_THE_WAY]),
        ("journal.sync=hang", [*ALL_THE_WAY]),
        ("journal.sync=slow:1", [*ALL_THE_WAY]),
    ],
)
async def test_the_interview_is_held_without_a_journal_on_disk(
    tmp_path: Path, text: str, on_disk: list[str]
) -> None:
    made = await rehearse(tmp_path, text)
    life = made.job.life
    assert life.outcome is Outcome.COMPLETED
    without = text in ("journal.open=raise", "journal.write=raise")
    way = [State.DEGRADED if without and each == "READY" else each for each in ALL_THE_WAY]
    assert [each.target for each in life.transitions if not each.internal] == way
    journal = made.path.with_name(f"{JOB_ID}.jsonl")
    kept = History.read(journal).path if journal.exists() and journal.stat().st_size else ()
    assert [*kept] == on_disk


@pytest.mark.row("B11")
@pytest.mark.parametrize(
    "state", [state for state in State if state not in (State.DEGRADED, State.CLOSED)]
)
async def test_a_kill_fault_kills_the_process_when_the_job_enters_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    killed: list[History] = []
    faults.arm(parse(f"process=kill@{state.lower()}"))
    made = rig(tmp_path, interview())
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(made.history))
    await made.live()
    (history,) = killed
    # The state is in the journal before the kill, as in a really killed process.
    assert history.path[-1] == state


async def test_a_kill_fault_sends_sigkill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *word: killed.append(word))
    await rehearse(tmp_path, "process=kill")
    assert killed == [(os.getpid(), signal.SIGKILL)]


async def test_an_interview_without_faults_has_none_in_its_journal(tmp_path: Path) -> None:
    lived = await rehearse(tmp_path, "")
    assert "faults" not in lived.history.header
    assert_path(lived.history, *ALL_THE_WAY)
