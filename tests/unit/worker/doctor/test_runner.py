"""The runner of checks: concurrent, each within its budget, none fatal to the others."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.support.virtual.async_steps import deaf, end_what_is_left, for_ever
from tests.support.virtual.job_parts import settings_in
from worker.doctor.context import CheckContext, run_in_daemon_thread, still_blocked
from worker.doctor.finding import Finding, Verdict, fine, warning, wrong
from worker.doctor.runner import Check, Result, run_checks

pytestmark = pytest.mark.looptime


@pytest.fixture
def visit(tmp_path: Path) -> CheckContext:
    return CheckContext(settings_in(tmp_path))


def check(
    name: str, finding: Finding, *needs: str, after_s: float = 0.0, budget_s: float = 5.0
) -> Check:
    async def run(_: CheckContext) -> Finding:
        await asyncio.sleep(after_s)
        return finding

    return Check(name=name, what=name, run=run, needs=needs, budget_s=budget_s)


def hanging(name: str, *, budget_s: float = 5.0, is_deaf: bool = False) -> Check:
    async def run(_: CheckContext) -> Finding:
        await (deaf() if is_deaf else for_ever())
        raise AssertionError("it hangs")

    return Check(name=name, what=name, run=run, budget_s=budget_s, late="look there")


def verdicts(results: list[Result]) -> dict[str, str]:
    return {result.check.name: str(result.finding.verdict) for result in results}


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_checks_run_concurrently_and_results_keep_their_order(visit: CheckContext) -> None:
    began = now_s()
    results = await run_checks(
        visit, [check("slow", fine("there"), after_s=3), check("fast", fine("there"), after_s=1)]
    )
    assert now_s() - began == pytest.approx(3)
    assert [result.check.name for result in results] == ["slow", "fast"]
    assert [result.seconds for result in results] == pytest.approx([3, 1])


@pytest.mark.parametrize("is_deaf", [False, True])
async def test_a_hanging_check_is_wrong_after_its_budget_and_gives_advice(
    visit: CheckContext, is_deaf: bool
) -> None:
    began = now_s()
    results = await run_checks(
        visit, [hanging("hangs", budget_s=2, is_deaf=is_deaf), check("other", fine("there"))]
    )
    assert now_s() - began == pytest.approx(2)
    assert verdicts(results) == {"hangs": "wrong", "other": "ok"}
    assert results[0].finding.found == "no answer within 2 s"
    assert results[0].finding.advice == "look there"
    await end_what_is_left()


async def test_a_check_whose_prerequisite_is_wrong_is_skipped_and_names_it(
    visit: CheckContext,
) -> None:
    results = await run_checks(
        visit,
        [
            check("url", wrong("unreachable", "look")),
            check("key", fine("taken"), "url"),
            check("media", fine("heard"), "key"),
        ],
    )
    assert verdicts(results) == {"url": "wrong", "key": "skipped", "media": "skipped"}
    assert [result.finding.found for result in results[1:]] == ["needs url", "needs url"]


async def test_a_check_whose_prerequisite_only_warns_still_runs(visit: CheckContext) -> None:
    results = await run_checks(
        visit, [check("url", warning("hm", "look")), check("key", fine("taken"), "url")]
    )
    assert verdicts(results) == {"url": "warning", "key": "ok"}


async def test_the_budget_of_a_check_starts_when_its_prerequisites_are_done(
    visit: CheckContext,
) -> None:
    results = await run_checks(
        visit,
        [
            check("url", fine("there"), after_s=4),
            check("key", fine("taken"), "url", after_s=4),
        ],
    )
    assert verdicts(results) == {"url": "ok", "key": "ok"}


async def test_the_whole_run_has_a_time_limit(visit: CheckContext) -> None:
    began = now_s()
    results = await run_checks(
        visit,
        [check("url", fine("there"), after_s=4), check("key", fine("taken"), "url", after_s=4)],
        total_s=6,
    )
    assert now_s() - began == pytest.approx(6)
    assert results[1].finding.found == "no answer within 2 s"


async def test_a_crashing_check_gives_one_line_without_the_error_message(
    visit: CheckContext,
) -> None:
    async def crash(_: CheckContext) -> Finding:
        raise RuntimeError("postgresql://user:secret@host")

    results = await run_checks(
        visit, [Check(name="broken", what="", run=crash), check("other", fine("there"))]
    )
    assert verdicts(results) == {"broken": "wrong", "other": "ok"}
    assert results[0].finding.found == "the check itself failed (RuntimeError)"
    assert "secret" not in str(results[0].as_data())


async def test_a_prerequisite_that_comes_later_is_refused(visit: CheckContext) -> None:
    with pytest.raises(ValueError, match="key needs url, which does not come before it"):
        await run_checks(visit, [check("key", fine("taken"), "url"), check("url", fine("there"))])


async def test_cancelling_the_run_cancels_the_checks_and_runs_every_cleanup(
    visit: CheckContext,
) -> None:
    put_back: list[str] = []

    async def opens(visit: CheckContext) -> Finding:
        visit.afterwards(lambda: done("room"))
        visit.afterwards(lambda: done("participant"))
        await for_ever()
        return fine("never")

    async def done(what: str) -> None:
        await asyncio.sleep(1)
        put_back.append(what)

    async def whole() -> None:
        async with visit:
            await run_checks(visit, [Check(name="media", what="", run=opens, budget_s=60)])

    running = asyncio.create_task(whole())
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert put_back == ["participant", "room"]


async def test_a_failing_or_hanging_cleanup_delays_little_and_hides_no_other(
    visit: CheckContext,
) -> None:
    put_back: list[str] = []

    async def fails() -> None:
        raise OSError("the server is unreachable")

    async def works() -> None:
        put_back.append("room")

    began = now_s()
    async with visit:
        visit.afterwards(works)
        visit.afterwards(fails)
        visit.afterwards(for_ever)
    assert put_back == ["room"]
    assert now_s() - began == pytest.approx(3)


@pytest.mark.looptime(False)
async def test_a_blocking_call_runs_in_a_thread_and_its_error_propagates() -> None:
    assert await run_in_daemon_thread(lambda: "done") == "done"
    with pytest.raises(OSError, match="no disk"):
        await run_in_daemon_thread(lambda: (_ for _ in ()).throw(OSError("no disk")))


@pytest.mark.looptime(False)
async def test_a_hanging_blocking_call_is_abandoned_and_reported() -> None:
    released = threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run_in_daemon_thread(released.wait)
    assert still_blocked()
    released.set()
    for thread in threading.enumerate():
        if thread.name == "doctor":
            thread.join(5)
    assert not still_blocked()


def test_the_verdicts_are_ok_warning_wrong_and_skipped() -> None:
    assert [str(verdict) for verdict in Verdict] == ["ok", "warning", "wrong", "skipped"]


async def test_cancelled_checks_end_before_any_cleanup_runs(tmp_path: Path) -> None:
    order: list[str] = []

    async def put_back() -> None:
        order.append("put back")

    async def run(visit: CheckContext) -> Finding:
        visit.afterwards(put_back)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            order.append("ended")
        return fine("there")

    async def look() -> None:
        async with CheckContext(settings_in(tmp_path)) as visit:
            await run_checks(visit, [Check(name="slow", what="something", run=run, budget_s=100)])

    looking = asyncio.create_task(look())
    await asyncio.sleep(1)
    looking.cancel()
    await asyncio.wait({looking})
    assert order == ["ended", "put back"]
