"""All checks side by side, each with a time-out of its own, none of them fatal to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.bounded import bounded
from worker.doctor.findings import Finding, Verdict, skipped, wrong
from worker.doctor.visit import Visit

#: Seconds for the whole of it, whatever waits for whatever; what has not ended by then is late.
TOTAL_S: Final = 15.0
#: Seconds for checks that are cut off to end.
_STOP_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to look at.

    Args:
        name: Its area and what it is, as in `database.schema`.
        what: What is looked at, in a line.
        run: Looks. What it raises is reported as a defect of the check.
        budget_s: Seconds it may take, from when what it needs is known to be well.
        late: What to do where it takes longer.
        needs: The checks that have to be well (or warn) first; skipped where one is not.
    """

    name: str
    what: str
    run: Callable[[Visit], Awaitable[Finding]]
    budget_s: float = 5.0
    late: str = "try again; if it stays so, look at what is slow there"
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """A check, what it found, and how many seconds it took."""

    check: Check
    finding: Finding
    seconds: float

    def as_data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "check": self.check.name,
            "what": self.check.what,
            "verdict": str(self.finding.verdict),
            "found": self.finding.found,
            "advice": self.finding.advice,
            "seconds": round(self.seconds, 3),
            "facts": dict(self.finding.facts),
        }


async def examine(
    visit: Visit, checks: Sequence[Check], *, total_s: float = TOTAL_S
) -> list[Result]:
    """Run them all at once; the results come in the order of the checks.

    A check comes after those that it needs, both in the sequence and in time. Raises ValueError
    for one that needs what does not come before it.
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
        # What they have opened is put back next: nothing more must be opened by then.
        if running:
            await asyncio.wait(running.values(), timeout=_STOP_S)


async def _run(
    check: Check, visit: Visit, others: Mapping[str, asyncio.Task[Result]], deadline: float
) -> Result:
    for name in check.needs:
        # Shielded: who needs it may be cancelled, and the others still want to know.
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
        finding = await bounded(_look(check, visit), budget_s)
    except TimeoutError:
        finding = wrong(f"no answer within {budget_s:.3g} s", check.late)
    except Exception as error:  # a check must not take the others with it
        # Its message is not shown: it may quote anything.
        finding = wrong(
            f"the check itself failed ({type(error).__name__})",
            "this is a defect of interview-worker: report it with this line",
        )
    return Result(check=check, finding=finding, seconds=loop.time() - began)


async def _look(check: Check, visit: Visit) -> Finding:
    return await check.run(visit)
