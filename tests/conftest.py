"""What every test is held to."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def pytest_configure() -> None:
    """Say that there is no event loop outside async tests.

    looptime 0.9 asks the policy for the current loop before every test, and where nothing was
    ever said, Python up to 3.13 makes one for it that nobody closes: a ResourceWarning.
    """
    asyncio.set_event_loop(None)


#: Seconds that tasks which are already ending may take to end.
GRACE_S = 1.0


@pytest.fixture(autouse=True)
def no_leaked_tasks(request: pytest.FixtureRequest) -> None:
    """Fail an async test that leaves tasks running on its event loop."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("tasks_of_this_test")


@pytest.fixture
async def tasks_of_this_test() -> AsyncIterator[None]:
    """Set up before the other fixtures of a test, and so torn down after them."""
    before = asyncio.all_tasks()
    yield
    leaked = asyncio.all_tasks() - before - {asyncio.current_task()}
    if leaked:
        _, leaked = await asyncio.wait(leaked, timeout=GRACE_S)
    if leaked:
        names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()!r})" for task in leaked))
        for task in leaked:
            task.cancel()
        await asyncio.wait(leaked, timeout=GRACE_S)
        pytest.fail(f"left running: {names}")
