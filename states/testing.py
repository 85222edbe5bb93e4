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

Every assertion except `assert_refused` and `assert_dialogue` accepts a running `Lifecycle`, a
`History`, a journal file, or the output of `interview-worker jobs show --json`. An assertion that
was written for a test on virtual time can therefore also check a real job. `assert_dialogue`
accepts records of a dialogue instead of the output of `jobs show`. The pytest plugin
(`states.pytest_plugin`) provides the fixtures `journey` and `lifecycle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
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
from states._place_path import (
    DialogueSubject,
    PlaceElement,
    compare_places,
    place_mismatch,
    place_path,
)
from states._subjects import Subject, history_of
from states.conditions import Condition, Status
from states.history import History
from states.machine import Lifecycle
from states.outcomes import EndReason, Outcome, Reason
from states.table import Event, State
from states.transition import IllegalTransition

__all__ = [
    "DialogueSubject",
    "Entry",
    "PathElement",
    "PlaceElement",
    "Subject",
    "Visit",
    "assert_condition",
    "assert_dialogue",
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

#: One event of a job: seconds since the job was received, the event, and its conditions. The name
#: of an end that the application declares may stand in place of the event.
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


def assert_dialogue(subject: DialogueSubject, *path: PlaceElement) -> None:
    """Assert that the dialogue took exactly this path through the places of its records.

    The path begins in the place in which the first record found the dialogue, and ends in the
    current place. An element of `path` is a place, or `...` for any number of visits to any places.
    A place is written as `PHASE`, `PHASE:question` or `PHASE:question(kind)`, such as
    `CLARIFYING:q1(skip)`. What is left out matches anything: `WAITING` stands for
    `WAITING:q1(think)` too, and `ENDED(completed)` needs no question. Records in a row that name
    the same place are one visit.

    The subject is a list of records of a dialogue, a journal (a running `Lifecycle`, a `History`,
    the path of a file, or a list of its records), or the output of
    `interview-worker interviews show --json`, which has the records of all jobs of the interview.

    Raises AssertionError if the dialogue took another path, with the expected and the actual path
    side by side, or if the subject has no record of a dialogue. Raises ValueError if a text of
    `path` is not a place, and JournalError if the subject cannot be read.
    """
    __tracebackhide__ = True
    taken = place_path(subject)
    comparison = compare_places(path, taken)
    if not taken:
        raise AssertionError("no dialogue is recorded")
    if comparison.parted_at is not None:
        raise AssertionError(place_mismatch(taken, comparison))


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
