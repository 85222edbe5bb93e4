"""What every test is held to."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.logging import catching_logs
from looptime._internal import plugin as looptime_plugin

from tests.fuzz.budget import time_out_s
from tests.support.examples import register_profiles
from tests.support.paths import REPOSITORY
from tests.support.rotation import others, share_of
from tests.support.scheduling import GroupScheduling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

#: The category of a test, by the folder of tests/ that it is in. Each is a marker of
#: pyproject.toml.
CATEGORIES: Final = {
    "unit": "unit",
    "scenarios": "scenario",
    "compat": "compat",
    "integration": "integration",
    "fuzz": "fuzz",
    "e2e": "e2e",
    "conversation": "conversation",
}
#: looptime goes round the loop 42 times before each step of its clock, for threads that may have
#: something to say. A thread that the loop waits for is waited for anyway, and audio is fifty
#: steps a second.
AT_ONCE: Final = pytest.mark.looptime(noop_cycles=0)
#: Seconds that a test may take where it does not say otherwise, in the categories in which that
#: is longer than pyproject.toml allows.
TIMEOUTS_S: Final = {"e2e": 300, "fuzz": time_out_s()}


def pytest_configure() -> None:
    """Set that there is no event loop outside async tests, and how many examples there are.

    looptime 0.9 asks the policy for the current loop before every test. If no loop was ever set,
    Python up to 3.13 makes a loop that is never closed, which causes a ResourceWarning.
    """
    asyncio.set_event_loop(None)
    register_profiles()
    _remember_which_fixtures_make_loops()
    _catch_log_lines_at_the_root()
    # Collecting imports thousands of modules, and nearly all of their objects stay.
    gc.disable()


def _remember_which_fixtures_make_loops() -> None:
    """Let looptime 0.9 look at each fixture's function once instead of before each test.

    looptime asks for each fixture of each test whether pytest-asyncio has a fixture of that name,
    and inspects all names of pytest-asyncio to find out: an eighth of the time of the unit tests.
    """
    ask, known = looptime_plugin._should_patch, {}

    def should_patch(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> bool:
        key = (fixturedef.func.__module__, fixturedef.argname)
        if key not in known:
            known[key] = ask(fixturedef, request)
        return bool(known[key])

    looptime_plugin._should_patch = should_patch


def _catch_log_lines_at_the_root() -> None:
    """Let pytest 9 attach its log handlers to the root logger alone.

    pytest asks each of the loggers six times in each test whether its lines reach the root logger:
    a thirtieth of the time of the unit tests. No test reads a line that does not reach it.
    """

    def enter(self: Any) -> Any:
        root = logging.getLogger()
        root.addHandler(self.handler)
        self.attached_loggers.append(root)
        if self.level is not None:
            self.handler.setLevel(self.level)
            self.orig_level = root.level
            root.setLevel(min(root.level, self.level))
        return self.handler

    catching_logs.__enter__ = enter  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    """Leave the objects of the imported modules out of each later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which CI leaves out five sixths of the tests that rotate."""
    parser.addoption(
        "--rotate",
        metavar="COMMIT",
        type=share_of,
        help="of the tests marked `rotates`, run the sixth that this commit's hash chooses",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Group tests as `--dist loadgroup` says, and leave the other ways to pytest-xdist."""
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the marker and the time-out of its folder; leave out what rotates."""
    for item in items:
        category = _category(item.path)
        item.add_marker(category)
        if item.get_closest_marker("looptime") is not None:
            item.add_marker(AT_ONCE, append=False)
        if category in TIMEOUTS_S and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUTS_S[category]))
    share = config.getoption("--rotate")
    if share is not None:
        left_out = [item for one in others(_rotating(items), share) for item in one]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _rotating(items: list[pytest.Item]) -> dict[str, list[pytest.Item]]:
    """Return the tests that rotate; those that share a fixture, which takes a minute, as one."""
    rotating: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("rotates"):
            group = item.get_closest_marker("xdist_group")
            rotating.setdefault(group.args[0] if group else item.nodeid, []).append(item)
    return rotating


def _category(path: Path) -> str:
    """Return the category of a test module. Raises UsageError where its folder has none."""
    folder = path.relative_to(REPOSITORY / "tests").parts[0]
    if folder not in CATEGORIES:
        raise pytest.UsageError(f"{path}: tests belong into tests/{{{','.join(CATEGORIES)}}}")
    return CATEGORIES[folder]


#: Seconds that tasks which are already ending may take to end.
GRACE_S = 1.0


@pytest.fixture(autouse=True)
def no_leaked_tasks(request: pytest.FixtureRequest) -> None:
    """Fail an async test that leaves tasks running on its event loop."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("tasks_of_this_test")


@pytest.fixture
async def tasks_of_this_test() -> AsyncIterator[None]:
    """Set up before the other fixtures of a test, and so torn down after them.

    Each test has an event loop of its own, so every task that is left was started by the test.
    """
    yield
    leaked = asyncio.all_tasks() - {asyncio.current_task()}
    if leaked:
        _, leaked = await asyncio.wait(leaked, timeout=GRACE_S)
    if leaked:
        names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()!r})" for task in leaked))
        for task in leaked:
            task.cancel()
        await asyncio.wait(leaked, timeout=GRACE_S)
        pytest.fail(f"left running: {names}")
