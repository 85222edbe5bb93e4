"""The pytest plugin of `states.testing`: the fixtures `journey` and `lifecycle`.

Wherever the package is installed, pytest imports this module through the package's entry point, so
the import must be cheap and must need only pytest. An async test that uses `lifecycle` needs no
mark to run on virtual time (with pytest-asyncio and looptime, which the `testing` extra installs).
To run an async test on real time, mark the test with `@pytest.mark.looptime(False)`. If a test
fails, its report shows the path of every job that the test made with one of the fixtures.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from states.history import History
    from states.machine import Lifecycle
    from states.testing import Entry


#: Seconds of real time for which the event loop may be idle before a test on virtual time fails.
IDLE_TIMEOUT_S = 5.0


class Journey(Protocol):
    """The fixture `journey`: calls `states.testing.journey`.

    The report of a failed test shows the path of the returned history.
    """

    def __call__(
        self, *entries: Entry, until_s: float | None = None, **lifecycle: Any
    ) -> History: ...


class StartLifecycle(Protocol):
    """The fixture `lifecycle`: starts a `Lifecycle` and stops it at the end of the test.

    The fixture takes the arguments of `Lifecycle`. Raises RuntimeError if no event loop is running.
    """

    def __call__(self, **arguments: Any) -> Lifecycle: ...


class _Jobs:
    """The jobs that one test made with the fixtures `journey` and `lifecycle`."""

    def __init__(self) -> None:
        self._made: list[Lifecycle | History] = []
        self._running: list[tuple[asyncio.AbstractEventLoop, Lifecycle]] = []

    def journey(self, *entries: Entry, until_s: float | None = None, **lifecycle: Any) -> History:
        from states.testing import journey

        history = journey(*entries, until_s=until_s, **lifecycle)
        self._made.append(history)
        return history

    def start(self, **arguments: Any) -> Lifecycle:
        from states.machine import Lifecycle

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "lifecycle() needs a running loop: make the test async, or use journey"
            ) from None
        job = Lifecycle(**arguments)
        job.start()
        self._made.append(job)
        self._running.append((loop, job))
        return job

    def stop(self) -> None:
        """Stop the running lifecycles, each on the event loop that it runs on.

        Must be called before a fixture closes the event loop of a running lifecycle.
        """
        while self._running:
            loop, job = self._running.pop()
            if not loop.is_closed():
                loop.run_until_complete(job.stop())

    def sections(self) -> list[tuple[str, str]]:
        from states._expected_path import path_table
        from states.testing import history_of

        return [
            (f"path of job {number}", path_table(history_of(job)))
            for number, job in enumerate(self._made, start=1)
        ]


_JOBS = pytest.StashKey[_Jobs]()


def _jobs_of(item: pytest.Item) -> _Jobs:
    return item.stash.setdefault(_JOBS, _Jobs())


@pytest.fixture
def journey(request: pytest.FixtureRequest) -> Journey:
    """Send `(seconds, event)` entries to a lifecycle on virtual time; return the job's history."""
    return _jobs_of(request.node).journey


@pytest.fixture
def lifecycle(request: pytest.FixtureRequest) -> StartLifecycle:
    """Start a lifecycle in an async test. The test runs on virtual time."""
    return _jobs_of(request.node).start


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Mark async tests that use the fixture `lifecycle`, so that they run on virtual time.

    The hook must run before the hook of pytest-asyncio, which needs the mark.
    """
    # Only a Module or a Class collects functions, and each of the two has the method
    # `istestfunction`.
    if not inspect.iscoroutinefunction(obj) or not collector.istestfunction(obj, name):  # type: ignore[attr-defined]
        return
    if "lifecycle" not in inspect.signature(obj).parameters:
        return
    plugins = collector.config.pluginmanager
    here = {mark.name for mark in getattr(obj, "pytestmark", ())}
    for name_in_manager, mark in (
        ("asyncio", pytest.mark.asyncio),
        ("looptime_plugin", pytest.mark.looptime(idle_timeout=IDLE_TIMEOUT_S)),
    ):
        marked = mark.name in here or collector.get_closest_marker(mark.name) is not None
        if plugins.has_plugin(name_in_manager) and not marked:
            mark(obj)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Stop the lifecycles of a test before the event loop of the test is closed."""
    try:
        return (yield)
    finally:
        if _JOBS in pyfuncitem.stash:
            pyfuncitem.stash[_JOBS].stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the paths of all jobs of a failed test to the report of the test."""
    report = yield
    if report.when == "call" and report.failed and _JOBS in item.stash:
        report.sections.extend(item.stash[_JOBS].sections())
    return report
