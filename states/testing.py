"""Run a lifecycle on virtual time, send events to it, and assert the path of the job.

To use this module in another project, run `pip install 'interview-lifecycle[testing]'`:

    from states import Event, State
    from states.testing import assert_path, loaded

    def test_a_job_with_everything_loaded_is_ready(journey):
        history = journey(
            (0.10, Event.ROOM_CONNECTED),
            (0.11, Event.BOOTSTRAP_STARTED),
            (0.50, Event.LOADER_REPORTED, loaded("orchestrator", required=True)),
            (0.50, Event.LOADERS_SETTLED),
        )
        assert_path(history, ..., "BOOTSTRAPPING", "READY")

Every assertion except `assert_refused` accepts a running `Lifecycle`, a `History`, a journal file,
or the output of `interview-worker jobs show --json`. An assertion that was written for a test on
virtual time can therefore also check a real job. The pytest plugin (`states.pytest_plugin`)
provides the fixtures `journey` and `lifecycle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from states._expected_path import (
    PathElement,
    Visit,
    compare,
    gap,
    mismatch,
    on,
    one_of,
    path_table,
    visits,
    word,
)
from states.conditions import Condition, Status
from states.ends import ends_as_data
from states.history import History
from states.machine import Lifecycle
from states.outcomes import EndReason, Outcome, Reason
from states.table import Event, State
from states.transition import IllegalTransition

__all__ = [
    "Entry",
    "PathElement",
    "Subject",
    "Visit",
    "assert_condition",
    "assert_entered",
    "assert_outcome",
    "assert_path",
    "assert_refused",
    "gap",
    "history_of",
    "journey",
    "loaded",
    "lost",
    "on",
    "one_of",
    "pending",
    "run_virtual",
]

_Result = TypeVar("_Result")

#: The subject of an assertion. A `str` that begins with "{" is JSON; any other `str` is a path. A
#: file whose name ends in ".json" contains JSON; any other file is a journal.
Subject = Lifecycle | History | Path | str | Mapping[str, Any]

#: One event of a job: seconds since the job was received, the event, and its conditions. In place
#: of the event, the name of an end that the application declares is accepted too.
Entry = tuple[float, Event | str, *tuple[Condition, ...]]


# --- running -----------------------------------------------------------------------------------


def run_virtual(main: Coroutine[Any, Any, _Result], *, idle_timeout_s: float = 5.0) -> _Result:
    """Run a coroutine to completion on a new event loop with virtual time.

    When the loop is idle, its clock jumps to the next scheduled call, so an hour of `asyncio.sleep`
    takes about a millisecond. Only the clock of the loop is virtual; the clock begins at 0. Raises
    TimeoutError if the loop has been idle for `idle_timeout_s` seconds of real time, ImportError if
    the `testing` extra is not installed, and RuntimeError if an event loop is already running.
    """
    try:
        import looptime
    except ImportError as error:
        main.close()
        raise ImportError(
            "virtual time needs looptime: pip install 'interview-lifecycle[testing]'"
        ) from error
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise RuntimeError("an event loop is running: in an async test use the lifecycle fixture")

    def virtual_loop() -> asyncio.AbstractEventLoop:
        return looptime.new_event_loop(start=0.0, idle_timeout=idle_timeout_s)

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        return runner.run(main)


def journey(*entries: Entry, until_s: float | None = None, **lifecycle: Any) -> History:
    """Send the events of `entries` to a new lifecycle on virtual time, and return its history.

    Each entry is `(seconds, event)`, followed by the conditions of the event. The entries are in
    order of time. After the last entry the clock advances to `until_s` seconds, if given, so that
    budgets can run out. If a budget runs out at exactly the time of an entry, the spent budget is
    processed first. `lifecycle` is passed to `Lifecycle`: `budgets={State.HANDSHAKE: 0.3}`, or
    `ends={"appointment_booked": End(Outcome.COMPLETED, "AppointmentBooked")}`.

    Raises IllegalTransition if the table does not allow the event of an entry, ValueError if the
    entries are not in order of time, and the errors of `run_virtual`.
    """
    times = [entry[0] for entry in entries]
    if times != sorted(times) or (until_s is not None and times and until_s < times[-1]):
        raise ValueError("the entries of a journey and until_s must be in order of time")

    async def run() -> History:
        loop = asyncio.get_running_loop()
        async with Lifecycle(**{"received_at": loop.time(), **lifecycle}) as job:
            for at, event, *conditions in entries:
                await asyncio.sleep(at - job.t)
                if isinstance(event, Event):
                    await job.fire(event, *conditions)
                else:
                    await job.end(event)
            if until_s is not None:
                await asyncio.sleep(until_s - job.t)
            # Run the callbacks that are due at this instant before the lifecycle stops.
            for _ in range(3):
                await asyncio.sleep(0)
            return history_of(job)

    return run_virtual(run())


def pending(resource: str, *, required: bool = False) -> Condition:
    """Return a condition "not loaded yet", to pass with the event BOOTSTRAP_STARTED."""
    return Condition(resource=resource, status=Status.PENDING, reason="Loading", required=required)


def loaded(resource: str, *, required: bool = False) -> Condition:
    """Return the condition that a loader reports for a loaded resource."""
    return Condition(resource=resource, status=Status.READY, reason="Loaded", required=required)


def lost(resource: str, reason: str = "LoadFailed", *, required: bool = False) -> Condition:
    """Return the condition of an unavailable resource. `reason` is one word in CamelCase."""
    return Condition(resource=resource, status=Status.LOST, reason=reason, required=required)


# --- asserting ---------------------------------------------------------------------------------


def history_of(subject: Subject) -> History:
    """Return the history of any subject of an assertion.

    Raises JournalError if the subject cannot be read as a job.
    """
    if isinstance(subject, History):
        return subject
    if isinstance(subject, Lifecycle):
        return _history_of_live(subject)
    if isinstance(subject, Mapping):
        return History.from_json(subject)
    if isinstance(subject, str) and subject.lstrip().startswith("{"):
        return History.from_json(subject)
    path = Path(subject)
    if path.suffix == ".json":
        return History.from_json(path.read_text(encoding="utf-8"))
    return History.read(path)


def _history_of_live(lifecycle: Lifecycle) -> History:
    if hasattr(lifecycle.journal, "records"):
        return History.of(lifecycle)
    return History(
        header={"ends": ends_as_data(lifecycle.ends)},
        transitions=tuple(x for x in lifecycle.transitions if not x.internal),
        internals=tuple(x for x in lifecycle.transitions if x.internal),
        condition_changes=tuple(lifecycle.conditions),
    )


def assert_path(subject: Subject, *path: PathElement) -> None:
    """Assert that the job took exactly this path, from HANDSHAKE to its current state.

    An element of `path` is a state or the name of a state; `one_of("READY", "DEGRADED")` for one of
    several states; `on("budget_spent", "CLOSING")` for a state that was entered on this event;
    `gap("READY", "DEGRADED")` for any number of visits to these states; or `...` for any number of
    visits to any states.

    Raises AssertionError if the job took another path; the message shows the expected and the
    actual path side by side. Raises ValueError if a name is unknown.
    """
    __tracebackhide__ = True
    history = history_of(subject)
    comparison = compare(visits(path), history.transitions)
    if comparison.parted_at is not None:
        raise AssertionError(mismatch(history, comparison))


def assert_entered(
    subject: Subject,
    state: State | str,
    *,
    within_s: float | None = None,
    since: State | str | None = None,
) -> float:
    """Assert that the job has entered `state`, and return the seconds until the first entry.

    The seconds count from the receipt of the job, or from the first entry into the state `since`.
    Raises AssertionError, with the job's path, if the job never entered `state`, if it had not
    entered `since` before, or if it took more than `within_s` seconds. Raises ValueError if a name
    is unknown.
    """
    __tracebackhide__ = True
    history, state = history_of(subject), word(State, state)
    entered = history.entered(state)
    if entered is None:
        raise AssertionError(f"{state} was never entered\n\n{path_table(history)}")
    begun, counted_from = 0.0, "the job was received"
    if since is not None:
        since = word(State, since)
        first = history.entered(since)
        if first is None or first > entered:
            raise AssertionError(f"{state} was not entered after {since}\n\n{path_table(history)}")
        begun, counted_from = first, f"{since} was entered"
    took = entered - begun
    if within_s is not None and took > within_s:
        raise AssertionError(
            f"{state} was entered {took:.3f} s after {counted_from}, "
            f"not within {within_s:.3f} s\n\n{path_table(history)}"
        )
    return took


def assert_outcome(
    subject: Subject, outcome: Outcome | str, reason: EndReason | None = None
) -> None:
    """Assert the outcome and the reason of the job, which are set when the job enters CLOSING.

    `reason` is a reason of the lifecycle, or of an end that the job's application declares.
    Raises AssertionError, with the job's path, if the job has another outcome or reason. Raises
    ValueError if a name is unknown.
    """
    __tracebackhide__ = True
    history, outcome = history_of(subject), word(Outcome, outcome)
    if reason is not None and reason not in {end.reason for end in history.ends.values()}:
        reason = word(Reason, reason)
    if history.outcome is outcome and reason in (None, history.reason):
        return
    expected = f"{outcome} ({reason})" if reason else f"{outcome}"
    raise AssertionError(f"the outcome is not {expected}\n\n{path_table(history)}")


def assert_condition(
    subject: Subject, resource: str, status: Status | str, reason: str | None = None
) -> None:
    """Assert the status, and optionally the reason, of the last condition of a resource.

    Raises AssertionError, with the job's path, if the last condition differs.
    """
    __tracebackhide__ = True
    history, status = history_of(subject), word(Status, status)
    if resource not in history.conditions:
        said = f"no condition was reported for {resource}"
    else:
        condition = history.conditions[resource]
        if condition.status is status and reason in (None, condition.reason):
            return
        said = f"{resource} is {condition.status} ({condition.reason})"
    expected = f"{status} ({reason})" if reason else f"{status}"
    raise AssertionError(f"{said}, not {expected}\n\n{path_table(history)}")


async def assert_refused(
    lifecycle: Lifecycle, event: Event | str, *conditions: Condition
) -> IllegalTransition:
    """Fire `event`, assert that it is refused and changes nothing, and return the error.

    Raises AssertionError, with the job's path, if the event is not refused or the job has changed,
    and the other errors of `Lifecycle.fire`.
    """
    __tracebackhide__ = True
    event = word(Event, event)
    state, steps, known = lifecycle.state, len(lifecycle.transitions), lifecycle.conditions
    try:
        await lifecycle.fire(event, *conditions)
    except IllegalTransition as refusal:
        unchanged = (state, known) == (lifecycle.state, lifecycle.conditions)
        if unchanged and len(lifecycle.transitions) == steps:
            return refusal
        said = f"{event} was refused in {state}, but another event changed the job"
    else:
        said = f"{event} was not refused in {state}"
    raise AssertionError(f"{said}\n\n{path_table(history_of(lifecycle))}")
