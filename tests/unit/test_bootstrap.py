"""Loading resources and freeing them, on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from job_parts import broken, cancelled_inside, deaf, done, for_ever

from states import Event, Status
from worker.resources import bootstrap
from worker.resources.base import LoadFailed, LoadReport, Resource, Retry
from worker.resources.bootstrap import AgentResources, bootstrap_resources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime


class Loads:
    """A bootstrap, with everything that was reported and when."""

    def __init__(self) -> None:
        self.held = AgentResources()
        self.reports: dict[str, LoadReport] = {}
        self.late: dict[str, LoadReport] = {}
        self.reported_at: dict[str, float] = {}

    async def of(self, *resources: Resource) -> None:
        began = asyncio.get_running_loop().time()

        async def on_report(report: LoadReport) -> None:
            assert report.name not in self.reports, "reported once"
            self.reports[report.name] = report
            self.reported_at[report.name] = asyncio.get_running_loop().time() - began

        async def on_late(report: LoadReport) -> None:
            self.late[report.name] = report

        await bootstrap_resources(resources, self.held, on_report=on_report, on_late=on_late)


def resource(
    name: str,
    *,
    after_s: float = 0.0,
    load: Callable[[], Awaitable[Any]] | None = None,
    **fields: Any,
) -> Resource:
    async def loader(_: AgentResources) -> Any:
        await asyncio.sleep(after_s)
        return await load() if load is not None else name

    return Resource(**{"name": name, "loss": "nothing", "load": loader, **fields})


class Failing:
    """A loader that fails so often before it succeeds, and notes when it was asked."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.asked_at: list[float] = []

    async def __call__(self) -> str:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self._failures:
            raise self._failures.pop(0)
        return "there"

    @property
    def pauses(self) -> list[float]:
        return [b - a for a, b in zip(self.asked_at, self.asked_at[1:], strict=False)]


def now() -> float:
    return asyncio.get_running_loop().time()


# --- loading ------------------------------------------------------------------------------------


async def test_loaders_run_at_the_same_time() -> None:
    loads, began = Loads(), now()
    await loads.of(*(resource(str(n), after_s=1.0) for n in range(10)))
    assert now() - began == pytest.approx(1.0)
    assert all(report.ok and report.reason == "Loaded" for report in loads.reports.values())
    assert loads.held.get("3") == "3"


async def test_each_is_reported_when_it_is_done_with_its_time_and_attempts() -> None:
    loads = Loads()
    await loads.of(resource("slow", after_s=2.0), resource("fast", after_s=0.5))
    assert loads.reported_at == {"fast": pytest.approx(0.5), "slow": pytest.approx(2.0)}
    assert loads.reports["slow"].elapsed_ms == pytest.approx(2000)
    assert loads.reports["slow"].attempts == 1
    assert loads.held.reports == loads.reports


async def test_a_report_is_the_condition_of_its_resource() -> None:
    loads = Loads()
    await loads.of(resource("vad"), resource("db", load=broken, required=True))
    assert loads.reports["vad"].condition().status is Status.READY
    condition = loads.reports["db"].condition()
    assert (condition.status, condition.required) == (Status.LOST, True)


@pytest.mark.parametrize("load", [None, broken], ids=["loads", "fails"])
async def test_what_is_needed_is_waited_for_whether_it_loads_or_not(
    load: Callable[[], Awaitable[Any]] | None,
) -> None:
    seen: list[object] = []

    async def loader(held: AgentResources) -> str:
        seen.append(held.get("first"))
        return "second"

    second = Resource(name="second", loss="nothing", load=loader, needs=("first",))
    loads = Loads()
    await loads.of(second, resource("first", after_s=1.0, load=load))
    assert seen == ["first" if load is None else None]
    assert loads.reported_at["second"] == pytest.approx(1.0)


async def test_what_is_needed_and_late_is_not_waited_for_beyond_its_budget() -> None:
    loads = Loads()
    await loads.of(
        resource("second", needs=("first",)), resource("first", load=for_ever, budget_s=2.0)
    )
    assert loads.reported_at["second"] == pytest.approx(2.0)
    await loads.held.aclose()


async def test_the_budget_of_one_that_waits_begins_when_it_may_load() -> None:
    loads = Loads()
    await loads.of(
        resource("second", after_s=1.5, needs=("first",), budget_s=2.0),
        resource("first", after_s=1.5),
    )
    assert loads.reports["second"].ok


async def test_a_need_that_nobody_declares_holds_up_nothing() -> None:
    loads = Loads()
    await loads.of(resource("one", needs=("unknown",)))
    assert loads.reports["one"].ok


async def test_a_required_one_has_no_budget_of_its_own() -> None:
    loads = Loads()
    await loads.of(resource("one", after_s=60.0, budget_s=1.0, required=True))
    assert loads.reports["one"].ok


# --- trying again -------------------------------------------------------------------------------

TRANSIENT = (
    LoadFailed("Away", transient=True),
    ConnectionRefusedError(),
    TimeoutError(),
    OSError("network is unreachable"),
)


@pytest.mark.parametrize("failure", TRANSIENT, ids=repr)
async def test_a_failure_that_passes_is_tried_again(failure: Exception) -> None:
    load, loads = Failing(failure), Loads()
    await loads.of(resource("one", load=load))
    report = loads.reports["one"]
    assert (report.ok, report.attempts) == (True, 2)
    assert loads.held.get("one") == "there"


@pytest.mark.parametrize("failure", [LoadFailed("Refused"), ValueError("no"), KeyError("k")])
async def test_a_failure_that_stays_is_not_tried_again(failure: Exception) -> None:
    load, loads = Failing(failure), Loads()
    await loads.of(resource("one", load=load))
    report = loads.reports["one"]
    assert (report.ok, report.attempts, len(load.asked_at)) == (False, 1, 1)


async def test_the_pauses_double_up_to_the_longest_and_are_jittered() -> None:
    retry = Retry(attempts=6, first_delay_s=1.0, longest_delay_s=4.0)
    load = Failing(*[LoadFailed("Away", transient=True)] * 6)
    loads = Loads()
    await loads.of(resource("one", load=load, retry=retry, budget_s=100.0))
    assert len(load.pauses) == 5
    for pause, longest in zip(load.pauses, [1.0, 2.0, 4.0, 4.0, 4.0], strict=True):
        assert longest / 2 <= pause <= longest * 1.001
    assert loads.reports["one"].attempts == 6


async def test_attempts_and_pauses_share_one_budget() -> None:
    retry = Retry(attempts=100, first_delay_s=1.0)
    load = Failing(*[LoadFailed("Away", transient=True)] * 100)
    loads = Loads()
    await loads.of(resource("one", load=load, retry=retry, budget_s=5.0))
    assert loads.reported_at["one"] == pytest.approx(5.0)
    assert loads.reports["one"].reason == "LoadTimeout"
    await loads.held.aclose()


async def test_the_last_failure_is_the_one_reported() -> None:
    load = Failing(LoadFailed("Away", transient=True), LoadFailed("Refused", "it said no"))
    loads = Loads()
    await loads.of(resource("one", load=load))
    report = loads.reports["one"]
    assert (report.reason, report.message, report.attempts) == ("Refused", "it said no", 2)


async def test_the_message_of_a_foreign_error_is_kept_out_of_the_report() -> None:
    loads = Loads()
    await loads.of(resource("one", load=broken))
    assert (loads.reports["one"].reason, loads.reports["one"].message) == ("ValueError", "")


async def test_a_required_failure_carries_what_it_means() -> None:
    failure = LoadFailed("InterviewUnknown", event=Event.INTERVIEW_UNKNOWN)
    loads = Loads()
    await loads.of(resource("one", load=Failing(failure), required=True))
    assert loads.reports["one"].event is Event.INTERVIEW_UNKNOWN


# --- late ---------------------------------------------------------------------------------------


async def test_one_that_is_late_is_reported_in_time_and_goes_on_loading() -> None:
    loads, began = Loads(), now()
    await loads.of(resource("vad", after_s=5.0, budget_s=2.0))
    assert now() - began == pytest.approx(2.0)
    assert loads.reports["vad"].reason == "LoadTimeout"
    assert "vad" not in loads.held

    await loads.held.reported("vad")
    for _ in range(3):
        await asyncio.sleep(0)
    assert loads.late["vad"].ok
    assert loads.held.get("vad") == "vad"
    assert loads.held.reports["vad"].ok


async def test_one_that_fails_late_says_so() -> None:
    loads = Loads()
    await loads.of(resource("vad", after_s=5.0, budget_s=2.0, load=broken))
    await loads.held.reported("vad")
    for _ in range(3):
        await asyncio.sleep(0)
    assert loads.late["vad"].reason == "ValueError"


async def test_nobody_hears_of_one_that_is_late_once_all_is_closed() -> None:
    loads = Loads()
    await loads.of(resource("vad", load=deaf, budget_s=2.0))
    await loads.held.aclose()
    await loads.held.reported("vad")
    await asyncio.sleep(0)
    assert loads.late == {}
    assert "vad" not in loads.held


async def test_asking_whether_an_unknown_one_has_reported_returns_at_once() -> None:
    await AgentResources().reported("nothing")


# --- stopping in the middle ---------------------------------------------------------------------


async def test_a_bootstrap_that_is_cancelled_leaves_nothing_running_once_closed() -> None:
    closed: list[object] = []

    async def close(value: object) -> None:
        closed.append(value)

    loads = Loads()
    work = asyncio.create_task(
        loads.of(
            resource("quick", close=close),
            resource("slow", load=for_ever, close=close),
            resource("next", needs=("slow",)),
        )
    )
    await asyncio.sleep(1.0)
    work.cancel()
    await asyncio.wait({work})
    await loads.held.aclose()
    assert closed == ["quick"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_loader_that_finishes_after_the_end_frees_what_it_got() -> None:
    """It caught its cancellation: by then everything else has been closed."""
    closed: list[object] = []

    async def close(value: object) -> None:
        closed.append(value)

    async def load() -> str:
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(30)
        return "a connection"

    loads = Loads()
    await loads.of(resource("db", load=load, close=close, budget_s=1.0))
    began = now()
    await loads.held.aclose()
    assert now() - began < 30
    assert closed == []

    await loads.held.reported("db")
    assert closed == ["a connection"]
    assert "db" not in loads.held


# --- closing ------------------------------------------------------------------------------------


class Closers:
    """Resources whose closing is watched."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.reports: dict[str, LoadReport] = {}

    def of(self, name: str, how: Callable[[], Awaitable[None]] = done, **fields: Any) -> Resource:
        async def close(_: object) -> None:
            self.order.append(name)
            await how()

        return resource(name, close=close, **fields)

    async def report(self, report: LoadReport) -> None:
        self.reports[report.name] = report

    async def close(self, *resources: Resource, budget_s: float | None = None) -> AgentResources:
        held = AgentResources()
        for one in resources:
            held.hold(one, one.name)
        await held.aclose(self.report, budget_s=budget_s)
        return held


async def test_all_is_closed_in_reverse_order() -> None:
    closers = Closers()
    held = await closers.close(*(closers.of(name) for name in "abc"))
    assert closers.order == ["c", "b", "a"]
    assert [r.reason for r in closers.reports.values()] == ["Closed"] * 3
    assert "a" not in held
    assert held.closed


async def test_what_has_nothing_to_close_is_let_go() -> None:
    closers = Closers()
    held = await closers.close(resource("plain"), closers.of("one"))
    assert closers.order == ["one"]
    assert "plain" not in held


async def test_closing_twice_closes_once() -> None:
    closers = Closers()
    held = await closers.close(closers.of("one"))
    await held.aclose(closers.report)
    assert closers.order == ["one"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (broken, "ValueError"),
        (cancelled_inside, "CancelledInside"),
        (for_ever, "CloseTimeout"),
        (deaf, "CloseTimeout"),
    ],
)
async def test_a_closer_that_fails_does_not_keep_the_others_from_theirs(
    how: Callable[[], Awaitable[None]], reason: str
) -> None:
    closers, began = Closers(), now()
    await closers.close(
        closers.of("a"), closers.of("bad", how, close_budget_s=2.0), closers.of("c")
    )
    assert closers.order == ["c", "bad", "a"]
    assert (closers.reports["bad"].ok, closers.reports["bad"].reason) == (False, reason)
    assert closers.reports["a"].ok
    assert now() - began <= 2.001
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # the deaf one


async def test_a_closer_that_raises_at_once_is_only_one_that_fails() -> None:
    closers = Closers()
    bad = resource("bad", close=lambda value: value.no_such_method())
    await closers.close(closers.of("a"), bad)
    assert closers.reports["bad"].reason == "AttributeError"
    assert closers.order == ["a"]


async def test_within_one_budget_for_all_each_closer_gets_its_share() -> None:
    closers, began = Closers(), now()
    await closers.close(*(closers.of(name, for_ever) for name in "abcd"), budget_s=4.0)
    assert closers.order == ["d", "c", "b", "a"]
    assert now() - began == pytest.approx(4.0)


async def test_what_a_quick_closer_leaves_over_is_for_the_others() -> None:
    closers, began = Closers(), now()
    slow = closers.of("slow", for_ever, close_budget_s=3.0)
    await closers.close(slow, *(closers.of(name) for name in "bcd"), budget_s=4.0)
    assert now() - began == pytest.approx(3.0)


async def test_loaders_that_will_not_stop_leave_the_closers_their_time() -> None:
    closers, loads = Closers(), Loads()
    await loads.of(closers.of("one"), resource("deaf", load=deaf, budget_s=1.0))
    began = now()
    await loads.held.aclose(closers.report, budget_s=3.0)
    assert closers.reports["one"].ok
    assert now() - began == pytest.approx(bootstrap._LOADER_STOP_S)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # the deaf one
