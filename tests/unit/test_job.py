"""One job's life, on virtual time, with a real journal and without LiveKit."""

from __future__ import annotations

import asyncio
import logging
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from job_parts import (
    Rig,
    TinyApplication,
    broken,
    cancelled_inside,
    deaf,
    for_ever,
    rig,
)

from states import BUDGETS, Event, MemoryJournal, Outcome, Reason, State, Status
from states.testing import (
    assert_condition,
    assert_entered,
    assert_outcome,
    assert_path,
    history_of,
)
from worker.interview.clips import ClipMissing, ClipName, load_clip
from worker.job import WORKERS_WORD
from worker.resources.base import LoadFailed, Resource, Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from worker.job import Job
    from worker.resources.bootstrap import AgentResources

pytestmark = pytest.mark.looptime

NEVER_AGAIN = Retry(attempts=1)
TO_RUNNING = ("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING")


@pytest.fixture(autouse=True)
def stopped_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job counts its seconds from its receipt, by the wall clock."""
    monkeypatch.setattr("worker.job.time", SimpleNamespace(time=lambda: 1_000_000.0))


def resource(
    name: str = "engine",
    *,
    load: Callable[[], Awaitable[Any]] | None = None,
    **fields: Any,
) -> Resource:
    async def loader(_: AgentResources) -> Any:
        return await load() if load is not None else name

    return Resource(
        **{"name": name, "loss": "nothing", "load": loader, "retry": NEVER_AGAIN, **fields}
    )


async def run_for_ever(_: Job) -> None:
    await for_ever()


def after(seconds: float, value: object = "late") -> Callable[[], Awaitable[Any]]:
    async def load() -> object:
        await asyncio.sleep(seconds)
        return value

    return load


# --- the way that all hope for ------------------------------------------------------------------


async def test_a_job_goes_its_way_and_its_journal_tells_it(tmp_path: Path) -> None:
    async def close(_: object) -> None: ...

    held = rig(
        tmp_path,
        TinyApplication(declared=[resource("orchestrator", required=True, close=close)]),
    )
    assert await held.live() is Outcome.COMPLETED

    assert_path(held.path, *TO_RUNNING, "CLOSING", "CLOSED")
    assert_outcome(held.path, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert_condition(held.path, "orchestrator", Status.READY, "Loaded")
    assert [step.name for step in held.history.steps] == [
        "connect",
        "open_line",
        "load orchestrator",
        "start_session",
        "stop_work",
        "stop_session",
        "last_words",
        "leave_room",
        "close orchestrator",
        "close_resources",
        "sync_journal",
    ]
    assert all(step.ok for step in held.history.steps)
    assert held.stage.did == ["connect", "open_line", "start_session", "leave"]


async def test_the_header_says_whose_journal_it_is(tmp_path: Path) -> None:
    held = rig(tmp_path)
    await held.live()
    assert held.history.header["job_id"] == "AJ_test"
    assert held.history.header["interview_id"] == "iv-1"
    assert held.history.header["room"] == "room-1"
    assert held.history.header["worker_id"] == "AW_test"
    assert held.history.header["pid"] == os.getpid()


async def test_the_four_start_up_lines_come_in_order_with_their_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = rig(tmp_path)
    held.stage.on_connect = after(0.2)
    held.stage.on_start_session = after(0.3)
    await held.live()

    names = ("handshake_start", "ctx_connected", "session_started", "init_done")
    lines = [record for record in caplog.records if record.message in names]
    assert [(line.message, vars(line)["elapsed_ms"]) for line in lines] == [
        ("handshake_start", 0.0),
        ("ctx_connected", 200.0),
        ("session_started", 500.0),
        ("init_done", 500.0),
    ]


@pytest.mark.parametrize(
    ("seconds", "level"), [(1.0, logging.INFO), (1.1, logging.WARNING)], ids=["in time", "slow"]
)
async def test_a_start_of_more_than_a_second_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float, level: int
) -> None:
    caplog.set_level(logging.INFO)
    held = rig(tmp_path)
    held.stage.on_start_session = after(seconds)
    await held.live()
    line = next(record for record in caplog.records if record.message == "init_done")
    assert line.levelno == level


async def test_nothing_loads_before_the_handshake_is_over(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource()]))
    held.stage.on_connect = after(1.0)
    await held.live()
    assert held.step("load engine").t == pytest.approx(1.0)


# --- the handshake ------------------------------------------------------------------------------


async def test_a_room_that_refuses_ends_the_job_and_nothing_is_loaded(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource()]))
    held.stage.on_connect = broken
    assert await held.live() is Outcome.FAILED
    assert_path(held.path, "HANDSHAKE", "CLOSING", "CLOSED")
    assert_outcome(held.path, Outcome.FAILED, Reason.HANDSHAKE_FAILED)
    assert held.step("connect").reason == "ValueError"
    assert held.stage.did == ["connect", "leave"]


async def test_a_room_that_does_not_answer_is_given_up_at_the_budget(tmp_path: Path) -> None:
    held = rig(tmp_path, INTERVIEW_BUDGET_HANDSHAKE_S=3)
    held.stage.on_connect = for_ever
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.HANDSHAKE_TIMEOUT)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(3)
    assert held.step("connect").reason == "Cancelled"


# --- loading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        (Event.ORCHESTRATOR_FAILED, Outcome.FAILED, Reason.ORCHESTRATOR_FAILED),
        (Event.METADATA_INVALID, Outcome.FAILED, Reason.METADATA_INVALID),
        (Event.INTERVIEW_UNKNOWN, Outcome.FAILED, Reason.INTERVIEW_UNKNOWN),
        (Event.INTERVIEW_OVER, Outcome.CANCELLED, Reason.INTERVIEW_ALREADY_OVER),
    ],
)
async def test_without_what_is_required_the_job_ends_at_once_with_its_reason(
    tmp_path: Path, event: Event, outcome: Outcome, reason: Reason
) -> None:
    async def load() -> None:
        raise LoadFailed("Gone", "it is gone", event=event)

    declared = [resource("orchestrator", required=True, load=load), resource(load=for_ever)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    assert await held.live() is outcome
    assert_path(held.path, "HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED")
    assert_outcome(held.path, outcome, reason)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(0)
    assert "start_session" not in held.stage.did


async def test_the_apology_waits_for_a_line_that_is_still_opening(tmp_path: Path) -> None:
    """The orchestrator may fail within a millisecond, before anybody can hear anything."""

    async def load() -> None:
        raise LoadFailed("Gone")

    held = rig(
        tmp_path,
        TinyApplication(
            declared=[resource(required=True, load=load)], words_at_the_end=ClipName.CANNOT_GO_ON
        ),
    )
    held.stage.on_open_line = after(0.5)
    await held.live()
    assert held.stage.line.played == [ClipName.CANNOT_GO_ON]
    assert held.step("last_words").ok


async def test_what_is_required_and_hangs_is_bound_by_the_budget_of_loading(tmp_path: Path) -> None:
    declared = [resource("orchestrator", required=True, load=for_ever)]
    held = rig(tmp_path, TinyApplication(declared=declared))
    await held.live()
    assert_outcome(held.path, Outcome.FAILED, Reason.BOOTSTRAP_TIMEOUT)
    entered = assert_entered(held.path, State.CLOSING, since=State.BOOTSTRAPPING)
    assert entered == pytest.approx(BUDGETS[State.BOOTSTRAPPING])


async def test_an_interview_is_held_without_what_is_optional(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(declared=[resource("vad", load=broken)]))
    assert await held.live() is Outcome.COMPLETED
    assert_path(
        held.path,
        *("HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "DEGRADED", "RUNNING", "CLOSING", "CLOSED"),
    )
    assert_condition(held.path, "vad", Status.LOST, "ValueError")


async def test_a_line_that_does_not_open_ends_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_open_line = broken
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.JOB_CRASHED)


# --- what comes late ----------------------------------------------------------------------------


class Attached:
    """Remembers what was attached, and in which state of the job."""

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
    """A job whose `vad` needs `after_s` seconds of a budget of 1, and which runs for `run_s`."""

    async def run(job: Job) -> None:
        await asyncio.sleep(run_s)
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    attached = Attached()
    late = resource("vad", load=after(after_s), budget_s=1.0, attach=attach or attached)
    held = rig(tmp_path, TinyApplication(declared=[late], on_run=run))
    attached.held = held
    return held, attached


async def test_what_comes_late_is_attached_to_the_running_session(tmp_path: Path) -> None:
    held, attached = with_a_late_one(tmp_path, 4.0)
    assert await held.live() is Outcome.COMPLETED
    assert attached.what == [(State.RUNNING, "late")]
    assert_entered(held.path, State.RUNNING, within_s=1.1)
    words = [(c.status, c.reason) for c in held.history.condition_changes]
    assert words == [(Status.LOST, "LoadTimeout"), (Status.READY, "Loaded")]


async def test_what_comes_while_the_session_starts_is_attached_once_it_has(tmp_path: Path) -> None:
    """A session that is starting has no agent yet, and attaching to it would raise."""
    held, attached = with_a_late_one(tmp_path, 2.0)
    held.stage.on_start_session = after(3.0)
    await held.live()
    assert attached.what == [(State.RUNNING, "late")]
    assert_condition(held.path, "vad", Status.READY, "Loaded")


async def test_what_comes_before_the_session_is_made_needs_no_attaching(tmp_path: Path) -> None:
    held, attached = with_a_late_one(tmp_path, 2.0)
    held.app.declared = [*held.app.declared, resource("slow", load=after(4.0))]
    await held.live()
    assert attached.what == []
    assert_path(held.path, *TO_RUNNING, "CLOSING", "CLOSED")


async def test_what_cannot_be_attached_stays_lost_and_the_interview_goes_on(
    tmp_path: Path,
) -> None:
    async def attach(_: object, __: object) -> None:
        await broken()

    held, _ = with_a_late_one(tmp_path, 4.0, attach=attach)
    assert await held.live() is Outcome.COMPLETED
    assert_condition(held.path, "vad", Status.LOST, "LoadTimeout")
    assert [(f["where"], f["error"]) for f in held.history.faults] == [("attach vad", "ValueError")]


async def test_what_fails_late_is_only_recorded(tmp_path: Path) -> None:
    async def load() -> None:
        await asyncio.sleep(4)
        await broken()

    late = resource("vad", load=load, budget_s=1.0)
    held, _ = with_a_late_one(tmp_path, 4.0)
    held.app.declared = [late]
    assert await held.live() is Outcome.COMPLETED
    assert held.step("load vad (late)").reason == "ValueError"
    assert_condition(held.path, "vad", Status.LOST)


async def test_what_comes_after_the_end_is_closed_and_not_attached(tmp_path: Path) -> None:
    held, attached = with_a_late_one(tmp_path, 4.0, run_s=1.0)
    await held.live()
    assert attached.what == []


async def test_attaching_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    async def attach(_: object, __: object) -> None:
        await for_ever()

    held, _ = with_a_late_one(tmp_path, 4.0, attach=attach)
    assert await held.live() is Outcome.COMPLETED


# --- the session and the work -------------------------------------------------------------------


async def test_a_session_that_does_not_start_ends_the_job(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_start_session = broken
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)
    assert held.app.session.closed == 1
    assert [f["error"] for f in held.history.faults] == ["ValueError"]


async def test_an_application_that_cannot_make_its_session_ends_the_job(tmp_path: Path) -> None:
    def refuse() -> None:
        raise KeyError("no session")

    held = rig(tmp_path, TinyApplication(on_session=refuse))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)


async def test_a_session_that_hangs_at_its_start_is_given_up_at_the_budget(tmp_path: Path) -> None:
    held = rig(tmp_path)
    held.stage.on_start_session = for_ever
    await held.live()
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_START_TIMEOUT)
    assert assert_entered(held.path, State.CLOSING) == pytest.approx(BUDGETS[State.READY])


async def test_a_session_that_closes_by_itself_ends_the_job(tmp_path: Path) -> None:
    """The framework would leave the candidate alone in the room."""

    async def run(_: Job) -> None:
        held.app.session.close_by_itself()
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.SESSION_FAILED)


async def test_an_application_that_raises_crashes_the_job_and_quotes_nobody(tmp_path: Path) -> None:
    async def run(_: Job) -> None:
        await broken()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.FAILED
    assert_outcome(held.path, Outcome.FAILED, Reason.JOB_CRASHED)
    assert [(f["where"], f["error"]) for f in held.history.faults] == [("job", "ValueError")]
    assert "Lovelace" not in held.path.read_text()


async def test_the_longest_interview_ends_as_a_completed_one(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    assert await held.live() is Outcome.COMPLETED
    assert_outcome(held.path, Outcome.COMPLETED, Reason.TIME_LIMIT_REACHED)


async def test_a_turn_is_in_the_journal_with_what_was_heard(tmp_path: Path) -> None:
    async def run(job: Job) -> None:
        await job.keep_turn(speaker="candidate", text="Hello.", question_id="q1")
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(on_run=run))
    await held.live()
    assert [(t.speaker, t.text, t.question_id) for t in held.history.turns] == [
        ("candidate", "Hello.", "q1")
    ]


async def test_a_resource_lost_on_the_way_is_a_condition_and_no_end(tmp_path: Path) -> None:
    async def run(job: Job) -> None:
        job.lost("stt", "Deaf")
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(declared=[resource("stt")], on_run=run))
    assert await held.live() is Outcome.COMPLETED
    assert_condition(held.path, "stt", Status.LOST, "Deaf")


# --- who waits is told --------------------------------------------------------------------------


def slow_with_words(tmp_path: Path, words: Callable[[], Any]) -> Rig:
    slow = resource(load=after(4.0))
    return rig(tmp_path, TinyApplication(declared=[slow], words_while_waiting=words))


async def test_somebody_who_waits_for_long_is_told_so(tmp_path: Path) -> None:
    held = slow_with_words(tmp_path, lambda: load_clip(ClipName.ONE_MOMENT))
    await held.live()
    assert held.stage.line.played == [ClipName.ONE_MOMENT]


async def test_nobody_is_told_in_an_empty_room(tmp_path: Path) -> None:
    held = slow_with_words(tmp_path, lambda: load_clip(ClipName.ONE_MOMENT))
    held.stage.candidate_is_here = False
    await held.live()
    assert held.stage.line.played == []


async def test_a_fast_start_needs_no_words(tmp_path: Path) -> None:
    held = slow_with_words(tmp_path, lambda: load_clip(ClipName.ONE_MOMENT))
    held.app.declared = []
    await held.live()
    assert held.stage.line.played == []


async def test_a_missing_clip_costs_the_interview_nothing(tmp_path: Path) -> None:
    def missing() -> None:
        raise ClipMissing(ClipName.ONE_MOMENT)

    held = slow_with_words(tmp_path, missing)
    assert await held.live() is Outcome.COMPLETED
    assert [f["error"] for f in held.history.faults] == ["ClipMissing"]


@pytest.mark.parametrize("here", [True, False], ids=["candidate there", "nobody there"])
async def test_last_words_are_for_somebody(tmp_path: Path, here: bool) -> None:
    held = rig(tmp_path, TinyApplication(words_at_the_end=ClipName.GOODBYE))
    held.stage.candidate_is_here = here
    await held.live()
    assert held.app.asked_for == [Reason.INTERVIEW_COMPLETED]
    assert held.stage.line.played == ([ClipName.GOODBYE] if here else [])


# --- ends from outside --------------------------------------------------------------------------


def when_in(held: Rig, state: State, act: Callable[[], object]) -> None:
    """Do something at the moment in which the job has entered a state."""

    def listen(transition: Any) -> None:
        if transition.target is state and not transition.internal:
            act()

    held.job.life.subscribe(listen)


BEFORE_CLOSING = [s for s in State if s not in (State.HANDSHAKE, State.CLOSING, State.CLOSED)]


@pytest.mark.parametrize("state", BEFORE_CLOSING)
async def test_a_shutdown_ends_the_job_wherever_it_is(tmp_path: Path, state: State) -> None:
    vad = resource("vad", load=broken) if state is State.DEGRADED else resource("vad")
    held = rig(tmp_path, TinyApplication(declared=[vad], on_run=run_for_ever))
    held.stage.on_start_session = after(1.0)
    when_in(held, state, lambda: held.job.life.post(Event.SHUTDOWN_REQUESTED))
    assert await held.live() is Outcome.CANCELLED
    assert_outcome(held.path, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
    assert held.stage.did[-1] == "leave"


async def test_a_shutdown_during_the_handshake_ends_the_job(tmp_path: Path) -> None:
    async def connect() -> None:
        held.job.life.post(Event.SHUTDOWN_REQUESTED)
        await for_ever()

    held = rig(tmp_path)
    held.stage.on_connect = connect
    assert await held.live() is Outcome.CANCELLED
    assert_path(held.path, "HANDSHAKE", "CLOSING", "CLOSED")


async def test_a_shutdown_while_closing_changes_nothing_but_the_hurry(tmp_path: Path) -> None:
    held = rig(tmp_path, INTERVIEW_HURRIED_CLOSING_S=1)
    held.app.session.on_aclose = for_ever
    when_in(held, State.CLOSING, lambda: held.job.life.post(Event.SHUTDOWN_REQUESTED))
    assert await held.live() is Outcome.COMPLETED
    assert assert_entered(held.path, State.CLOSED) <= 1.0


async def test_the_workers_word_is_a_shutdown(tmp_path: Path) -> None:
    async def run(_: Job) -> None:
        os.kill(os.getpid(), WORKERS_WORD)
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.CANCELLED
    assert_outcome(held.path, Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)


@pytest.mark.parametrize(
    ("event", "outcome"),
    [(Event.ROOM_LOST, Outcome.FAILED), (Event.ROOM_DELETED, Outcome.CANCELLED)],
)
async def test_a_room_that_is_gone_ends_the_job(
    tmp_path: Path, event: Event, outcome: Outcome
) -> None:
    async def run(_: Job) -> None:
        held.stage.on_event(event)
        await for_ever()

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is outcome


@pytest.mark.parametrize("state", [*BEFORE_CLOSING, State.CLOSING])
async def test_a_cancellation_by_the_framework_still_leaves_the_room(
    tmp_path: Path, state: State
) -> None:
    """A dead worker's job processes are cancelled, and nobody else takes the ghost away."""
    vad = resource("vad", load=broken) if state is State.DEGRADED else resource("vad")
    held = rig(tmp_path, TinyApplication(declared=[vad]))
    if state is not State.CLOSING:
        held.app.on_run = run_for_ever
    held.stage.on_start_session = after(1.0)
    held.app.session.on_aclose = after(0.5)
    life = asyncio.create_task(held.live())
    when_in(held, state, life.cancel)
    expected = Outcome.COMPLETED if state is State.CLOSING else Outcome.CANCELLED
    assert await life is expected
    assert held.stage.did[-1] == "leave"
    assert_path(held.path, ..., "CLOSING", "CLOSED")
    assert held.step("sync_journal").ok


async def test_being_cancelled_again_and_again_does_not_cut_the_closing(tmp_path: Path) -> None:
    held = rig(tmp_path, TinyApplication(on_run=run_for_ever))
    held.app.session.on_aclose = after(0.5)
    life = asyncio.create_task(held.live())
    for _ in range(20):
        await asyncio.sleep(0.05)
        life.cancel()
    assert await life is Outcome.CANCELLED
    assert held.stage.did[-1] == "leave"


# --- closing ------------------------------------------------------------------------------------


def hang_at(held: Rig, step: str, how: Callable[[], Awaitable[None]]) -> None:
    async def close(_: object) -> None:
        await how()

    async def run(job: Job) -> None:
        job.life.post(Event.INTERVIEW_COMPLETED)
        await how()

    async def unheard(_: object) -> float:
        await how()
        return 0.0

    match step:
        case "stop_work":
            held.app.on_run = run
        case "stop_session":
            held.app.session.on_aclose = how
        case "last_words":
            held.app.words_at_the_end = ClipName.GOODBYE
            held.stage.line.play = unheard  # type: ignore[method-assign]  # one of its many ways to hang
        case "leave_room":
            held.stage.on_leave = how
        case "close engine":
            held.app.declared = [resource(close=close), resource("other", close=close)]


STEPS = ("stop_work", "stop_session", "last_words", "leave_room", "close engine")


@pytest.mark.parametrize(
    ("step", "how"),
    # Work that lets itself be cancelled does not hang.
    [("stop_work", deaf), *((step, how) for step in STEPS[1:] for how in (for_ever, deaf))],
)
async def test_a_closing_step_that_hangs_is_named_and_passed_over(
    tmp_path: Path, step: str, how: Callable[[], Awaitable[None]]
) -> None:
    held = rig(tmp_path)
    hang_at(held, step, how)
    assert await held.live() is Outcome.COMPLETED
    assert held.step(step).reason in ("TimeoutError", "CloseTimeout")
    assert held.step("sync_journal").ok
    assert_path(held.path, ..., "CLOSING", "CLOSED")
    assert "leave" in held.stage.did
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # the deaf one, which a job's process takes with it


@pytest.mark.parametrize("how", [broken, cancelled_inside], ids=["raises", "is cancelled inside"])
@pytest.mark.parametrize("step", STEPS[1:])
async def test_a_closing_step_that_raises_is_named_and_passed_over(
    tmp_path: Path, step: str, how: Callable[[], Awaitable[None]]
) -> None:
    held = rig(tmp_path)
    hang_at(held, step, how)
    assert await held.live() is Outcome.COMPLETED
    assert held.step(step).reason in ("ValueError", "CancelledInside")
    assert held.step("sync_journal").ok


async def test_where_everything_hangs_closing_still_ends_and_tries_every_step(
    tmp_path: Path,
) -> None:
    held = rig(tmp_path)
    for step in STEPS[1:]:
        hang_at(held, step, for_ever)
    await held.live()
    closing_s = assert_entered(held.path, State.CLOSED, since=State.CLOSING)
    assert closing_s <= BUDGETS[State.CLOSING]
    assert {step.name for step in held.history.steps} >= {*STEPS, "close other", "sync_journal"}


# --- a disk that is full ------------------------------------------------------------------------


async def test_a_job_whose_journal_cannot_be_opened_is_held_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file where a folder should be")
    held = rig(tmp_path)
    assert await held.live() is Outcome.COMPLETED
    assert isinstance(held.job.life.journal, MemoryJournal)
    assert_path(held.job.life, *TO_RUNNING, "CLOSING", "CLOSED")


async def test_a_disk_that_fills_up_in_the_middle_does_not_stop_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lifecycle changes nothing that is not written down: without this it would hang."""

    def no_space(_: int, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    async def run(job: Job) -> None:
        monkeypatch.setattr("states.journal.os.write", no_space)
        await job.keep_turn(speaker="candidate", text="Hello.", question_id="q1")
        await job.life.fire(Event.INTERVIEW_COMPLETED)

    held = rig(tmp_path, TinyApplication(on_run=run))
    assert await held.live() is Outcome.COMPLETED
    monkeypatch.undo()
    assert_path(held.job.life, *TO_RUNNING, "CLOSING", "CLOSED")
    assert_path(held.path, *TO_RUNNING)
    assert [turn.text for turn in history_of(held.job.life).turns] == ["Hello."]
