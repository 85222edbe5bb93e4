"""The end of tasks that are not awaited."""

from __future__ import annotations

import asyncio

import pytest

from worker.aio.tasks import cancel_and_wait, log_failure

pytestmark = pytest.mark.looptime


async def test_the_error_of_a_task_that_nobody_awaits_is_logged_with_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(fail(), name="a-part")
    task.add_done_callback(log_failure)
    await asyncio.wait({task})
    await asyncio.sleep(0)
    (line,) = caplog.records
    assert line.getMessage() == "a background task ended with an error: a-part"
    assert line.exc_info is not None
    assert vars(line)["event"] == "background_task_failed"


async def test_a_task_that_was_cancelled_or_succeeded_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = [asyncio.create_task(asyncio.sleep(delay_s)) for delay_s in (0, 3600)]
    for task in tasks:
        task.add_done_callback(log_failure)
    await asyncio.wait({tasks[0]})
    await cancel_and_wait(tasks[1])
    assert caplog.records == []
