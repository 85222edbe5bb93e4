"""The loading of resources, on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from states import Event, Status
from tests.support.virtual.async_steps import broken, deaf, for_ever
from tests.support.virtual.resource_parts import Loads, now, resource
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadFailed, Resource, Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime


class Failing:
    """A loader that raises the given failures before it succeeds, and records its call times."""

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


# --- loading ------------------------------------------------------------------------------------


@pytest.mark.row("S3")
async def test_loaders_run_at_the_same_time() -> None:
    loads, began = Loads(), now()
    await loads.of(*(resource(str(n), after_s=1.0) for n in range(10)))
    assert now() - began == pytest.approx(1.0)
    assert all(report.ok and report.reason == "Loaded" for report in loads.reports.values())
    assert loads.held.get("3") == "3"


@pytest.mark.row("C3")
async def test_each_load_is_reported_at_its_end_with_time_and_attempts() -> None:
    loads = Loads()
    await loads.of(resource("slow", after_s=2.0), resource("fast", after_s=0.5))
    assert loads.reported_at == {"fast": pytest.approx(0.5), "slow": pytest.approx(2.0)}
    assert loads.reports["slow"].elapsed_ms == pytest.approx(2000)
    assert loads.reports["slow"].attempts == 1
    assert loads.held.reports == loads.reports


async def test_a_report_names_its_dependencies_and_its_budget() -> None:
    loads = Loads()
    late = resource("late", after_s=9.0, budget_s=0.5)
    await loads.of(late, resource("plan", needs=("late",), required=True, budget_s=3.0))
    said = {name: (report.needs, report.budget_s) for name, report in loads.reports.items()}
    assert said == {"late": ((), 0.5), "plan": (("late",), None)}
    await loads.held.aclose()


@pytest.mark.row("C3")
async def test_a_report_gives_the_condition_of_its_resource() -> None:
    loads = Loads()
    await loads.of(resource("vad"), resource("db", load=broken, required=True))
    assert loads.reports["vad"].condition().status is Status.READY
    condition = loads.reports["db"].condition()
    assert (condition.status, condition.required) == (Status.LOST, True)


@pytest.mark.parametrize("load", [None, broken], ids=["loads", "fails"])
async def test_a_loader_waits_for_its_dependency_whether_it_loads_or_fails(
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


async def test_a_late_dependency_is_not_waited_for_beyond_its_budget() -> None:
    loads = Loads()
    await loads.of(
        resource("second", needs=("first",)), resource("first", load=for_ever, budget_s=2.0)
    )
    assert loads.reported_at["second"] == pytest.approx(2.0)
    await loads.held.aclose()


async def test_the_budget_of_a_dependent_resource_begins_when_it_may_load() -> None:
    loads = Loads()
    await loads.of(
        resource("second", after_s=1.5, needs=("first",), budget_s=2.0),
        resource("first", after_s=1.5),
    )
    assert loads.reports["second"].ok


async def test_an_undeclared_dependency_delays_nothing() -> None:
    loads = Loads()
    await loads.of(resource("one", needs=("unknown",)))
    assert loads.reports["one"].ok


AWAY = LoadFailed("DatabaseAway", "it is unavailable", transient=True)
FOR_A_WHILE = Retry(attempts=1000, longest_delay_s=1.0, within_s=12.0)


@pytest.mark.row("S13")
async def test_a_transient_failure_is_retried_until_its_deadline() -> None:
    failing = Failing(*[AWAY] * 8)
    loads = Loads()
    await loads.of(resource(load=failing, required=True, retry=FOR_A_WHILE))

    assert loads.reports["engine"].ok
    assert loads.reports["engine"].attempts == 9
    assert max(failing.pauses) <= 1.0


async def test_a_load_that_fails_until_its_deadline_is_reported_in_time_with_its_cause() -> None:
    loads = Loads()
    first = resource("first", after_s=4.0)
    waits = resource(
        load=Failing(*[AWAY] * 1000), required=True, needs=("first",), retry=FOR_A_WHILE
    )
    await loads.of(first, waits)

    report = loads.reports["engine"]
    assert (report.ok, report.reason, report.message) == (
        False,
        "DatabaseAway",
        "it is unavailable",
    )
    assert 10.5 < loads.reported_at["engine"] <= 12.0, "the wait for the dependency counts"


async def test_a_hanging_retry_is_stopped_and_the_previous_failure_is_reported() -> None:
    tries = Failing(AWAY)

    async def load() -> None:
        await tries()
        await for_ever()

    loads = Loads()
    await loads.of(resource(load=load, required=True, retry=FOR_A_WHILE))

    assert loads.reports["engine"].reason == "DatabaseAway"
    assert loads.reported_at["engine"] == pytest.approx(12.0)


async def test_a_permanent_failure_of_a_required_resource_is_not_retried() -> None:
    loads = Loads()
    refused = LoadFailed("InterviewUnknown")
    await loads.of(resource(load=Failing(refused), required=True, retry=FOR_A_WHILE))

    assert loads.reports["engine"].attempts == 1


async def test_a_required_resource_has_no_budget_of_its_own() -> None:
    loads = Loads()
    await loads.of(resource("one", after_s=60.0, budget_s=1.0, required=True))
    assert loads.reports["one"].ok


# --- retries ------------------------------------------------------------------------------------

TRANSIENT = (
    LoadFailed("Away", transient=True),
    ConnectionRefusedError(),
    TimeoutError(),
    OSError("network is unreachable"),
)


@pytest.mark.parametrize("failure", TRANSIENT, ids=repr)
async def test_a_transient_failure_is_retried(failure: Exception) -> None:
    load, loads = Failing(failure), Loads()
    await loads.of(resource("one", load=load))
    report = loads.reports["one"]
    assert (report.ok, report.attempts) == (True, 2)
    assert loads.held.get("one") == "there"


@pytest.mark.parametrize("failure", [LoadFailed("Refused"), ValueError("no"), KeyError("k")])
async def test_a_permanent_failure_is_not_retried(failure: Exception) -> None:
    load, loads = Failing(failure), Loads()
    await loads.of(resource("one", load=load))
    report = loads.reports["one"]
    assert (report.ok, report.attempts, len(load.asked_at)) == (False, 1, 1)


async def test_retry_pauses_double_up_to_the_limit_and_are_jittered() -> None:
    retry = Retry(attempts=6, first_delay_s=1.0, longest_delay_s=4.0)
    load = Failing(*[LoadFailed("Away", transient=True)] * 6)
    loads = Loads()
    await loads.of(resource("one", load=load, retry=retry, budget_s=100.0))
    assert len(load.pauses) == 5
    for pause, longest in zip(load.pauses, [1.0, 2.0, 4.0, 4.0, 4.0], strict=True):
        assert longest / 2 <= pause <= longest * 1.001
    assert loads.reports["one"].attempts == 6
    await loads.held.aclose()


async def test_attempts_and_pauses_share_one_budget() -> None:
    retry = Retry(attempts=100, first_delay_s=1.0)
    load = Failing(*[LoadFailed("Away", transient=True)] * 100)
    loads = Loads()
    await loads.of(resource("one", load=load, retry=retry, budget_s=5.0))
    assert loads.reported_at["one"] == pytest.approx(5.0)
    assert loads.reports["one"].reason == "LoadTimeout"
    await loads.held.aclose()


async def test_the_last_failure_is_reported() -> None:
    load = Failing(LoadFailed("Away", transient=True), LoadFailed("Refused", "it said no"))
    loads = Loads()
    await loads.of(resource("one", load=load))
    report = loads.reports["one"]
    assert (report.reason, report.message, report.attempts) == ("Refused", "it said no", 2)


async def test_a_report_never_contains_the_message_of_a_foreign_error() -> None:
    loads = Loads()
    await loads.of(resource("one", load=broken))
    assert (loads.reports["one"].reason, loads.reports["one"].message) == ("ValueError", "")


async def test_a_required_failure_carries_its_lifecycle_event() -> None:
    failure = LoadFailed("InterviewUnknown", event=Event.INTERVIEW_UNKNOWN)
    loads = Loads()
    await loads.of(resource("one", load=Failing(failure), required=True))
    assert loads.reports["one"].event is Event.INTERVIEW_UNKNOWN


# --- late resources -----------------------------------------------------------------------------


@pytest.mark.row("C3")
async def test_a_late_load_is_reported_in_time_and_continues() -> None:
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


async def test_a_late_failure_is_reported() -> None:
    loads = Loads()
    await loads.of(resource("vad", after_s=5.0, budget_s=2.0, load=broken))
    await loads.held.reported("vad")
    for _ in range(3):
        await asyncio.sleep(0)
    assert loads.late["vad"].reason == "ValueError"


async def test_a_late_load_is_not_reported_after_closing() -> None:
    loads = Loads()
    await loads.of(resource("vad", load=deaf, budget_s=2.0))
    await loads.held.aclose()
    await loads.held.reported("vad")
    await asyncio.sleep(0)
    assert loads.late == {}
    assert "vad" not in loads.held


async def test_waiting_for_the_report_of_an_unknown_resource_returns_immediately() -> None:
    await AgentResources().reported("nothing")


# --- retries in the background of the session ---------------------------------------------------


@pytest.mark.row("S13", "B2")
async def test_a_transient_failure_is_retried_in_the_background_until_it_loads() -> None:
    loads = Loads()
    tries = Failing(*[AWAY] * 6)
    await loads.of(resource("vad", load=tries))
    assert not loads.reports["vad"].ok

    await asyncio.sleep(300.0)
    assert loads.late["vad"].ok
    assert "vad" in loads.held
    await loads.held.aclose()


async def test_background_retries_become_less_frequent() -> None:
    loads = Loads()
    tries = Failing(*[AWAY] * 1000)
    await loads.of(resource("vad", load=tries))
    await asyncio.sleep(3600.0)
    assert 60 <= len(tries.asked_at) <= 150
    await loads.held.aclose()


@pytest.mark.parametrize("failure", [LoadFailed("Refused"), ValueError("broken")])
async def test_a_permanent_failure_is_not_retried_in_the_background(failure: Exception) -> None:
    loads = Loads()
    tries = Failing(*[failure] * 1000)
    await loads.of(resource("vad", load=tries))
    await asyncio.sleep(300.0)
    assert len(tries.asked_at) == 1
    await loads.held.aclose()


async def test_background_retries_end_with_the_session() -> None:
    loads = Loads()
    tries = Failing(*[AWAY] * 1000)
    await loads.of(resource("vad", load=tries))
    await loads.held.aclose()
    before = len(tries.asked_at)
    await asyncio.sleep(300.0)
    assert len(tries.asked_at) == before


async def test_a_failed_load_that_left_a_substitute_is_not_retried() -> None:
    loads = Loads()
    failures = (LoadFailed("Away", transient=True, meanwhile="a pool") for _ in range(1000))
    tries = Failing(*failures)
    await loads.of(resource("database", load=tries))
    before = len(tries.asked_at)
    await asyncio.sleep(300.0)
    assert len(tries.asked_at) == before
    await loads.held.aclose()
