"""Concurrent run of all checks: each has its own timeout, and none can break the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.aio.timeouts import run_with_timeout
from worker.doctor.context import CheckContext
from worker.doctor.finding import Finding, Verdict, skipped, wrong

#: Total seconds for all checks, including waits for other checks; checks that still run then are
#: late.
TOTAL_S: Final = 15.0
#: Seconds that cancelled checks have to end.
_STOP_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    Args:
        name: Its area and subject, as in `database.schema`.
        what: The subject of the check, in one line.
        run: The check itself. An exception is reported as a defect of the check.
        budget_s: Timeout in seconds, counted from when its prerequisites have passed.
        late: Advice if it times out.
        needs: The checks that must pass (ok or warning) first; otherwise this one is skipped.
    """

    name: str
    what: str
    run: Callable[[CheckContext], Awaitable[Finding]]
    budget_s: float = 5.0
    late: str = "try again; if it times out again, find out what is slow there"
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """A check, its finding, and its duration in seconds."""

    check: Check
    finding: Finding
    seconds: float

    def as_data(self) -> dict[str, Any]:
        """Return the result as data for JSON."""
        return {
            "check": self.check.name,
            "what": self.check.what,
            "verdict": str(self.finding.verdict),
            "found": self.finding.found,
            "advice": self.finding.advice,
            "seconds": round(self.seconds, 3),
            "facts": dict(self.finding.facts),
        }


async def run_checks(
    visit: CheckContext, checks: Sequence[Check], *, total_s: float = TOTAL_S
) -> list[Result]:
    """Run all checks concurrently; return the results in the order of `checks`.

    A check must come after those that it needs in `checks`, and starts after them. Raises
    ValueError for a check that needs one that does not come before it.
    """
    deadline = asyncio.get_running_loop().time() + total_s
    running: dict[str, asyncio.Task[Result]] = {}
    try:
        for check in checks:
            if missing := [name for name in check.needs if name not in running]:
                raise ValueError(f"{check.name} needs {missing[0]}, which does not come before it")
            work = _run(check, visit, running, deadline)
            running[check.name] = asyncio.create_task(work, name=f"check {check.name}")
        return [await task for task in running.values()]
    finally:
        for task in running.values():
            task.cancel()
        # Cleanup comes next: wait until the checks open nothing more.
        if running:
            await asyncio.wait(running.values(), timeout=_STOP_S)


async def _run(
    check: Check, visit: CheckContext, others: Mapping[str, asyncio.Task[Result]], deadline: float
) -> Result:
    for name in check.needs:
        # Shielded: a cancelled dependent must not cancel a check that others need.
        needed = (await asyncio.shield(others[name])).finding
        if needed.verdict is Verdict.WRONG:
            return Result(check=check, finding=skipped(name), seconds=0.0)
        if needed.verdict is Verdict.SKIPPED:
            because = str(needed.facts["because"])
            return Result(check=check, finding=skipped(because), seconds=0.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    budget_s = min(check.budget_s, max(0.0, deadline - began))
    try:
        finding = await run_with_timeout(_look(check, visit), budget_s)
    except TimeoutError:
        finding = wrong(f"no answer within {budget_s:.3g} s", check.late)
    except Exception as error:  # one check must not break the others
        # Do not show the message: it may quote personal data or secrets.
        finding = wrong(
            f"the check itself failed ({type(error).__name__})",
            "this is a defect of interview-worker: report it with this line",
        )
    return Result(check=check, finding=finding, seconds=loop.time() - began)


async def _look(check: Check, visit: CheckContext) -> Finding:
    return await check.run(visit)
