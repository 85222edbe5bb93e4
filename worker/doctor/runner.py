"""Runs all checks concurrently. Each check has a timeout; a failed check stops no other check."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.aio.timeouts import run_with_timeout
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.finding import Finding, Verdict, skipped, wrong
from worker.resources.chains import import_plugins
from worker.speech.vad.silero import import_silero

#: Timeout of the whole run in seconds. A check that takes longer is reported as timed out.
TOTAL_S: Final = 15.0
#: Maximum seconds to wait for the end of cancelled checks.
_STOP_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of the doctor command.

    Args:
        name: The area and the subject of the check, for example `database.schema`.
        what: The subject of the check, in one line.
        run: The function of the check. An exception is reported as a defect of the check.
        budget_s: Timeout in seconds, counted from the time at which the needed checks have passed.
        late: The advice if the check times out.
        needs: The checks that must first pass with "ok" or "warning". If a needed check does not
            pass, this check is skipped.
    """

    name: str
    what: str
    run: Callable[[CheckContext], Awaitable[Finding]]
    budget_s: float = 5.0
    late: str = "try again; if it times out again, find out what is slow there"
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a check: the check, its finding, and its duration in seconds."""

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


def prepare(settings: Settings) -> None:
    """Import the plugins of the fallback chains, so that no check spends its timeout on an import.

    Call this function in the main thread, because plugins can register only there. An import error
    is ignored here, because the check of the plugin reports it.
    """
    with contextlib.suppress(Exception):
        import_plugins(settings)
    with contextlib.suppress(Exception):
        import_silero()


async def run_checks(
    visit: CheckContext, checks: Sequence[Check], *, total_s: float = TOTAL_S
) -> list[Result]:
    """Run all checks concurrently, and return the results in the order of `checks`.

    A check starts when the checks that it needs have ended. Raises ValueError if a check comes in
    `checks` before a check that it needs.
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
        # Wait for the cancelled checks before the cleanups run, because the checks may still open
        # resources.
        if running:
            await asyncio.wait(running.values(), timeout=_STOP_S)


async def _run(
    check: Check, visit: CheckContext, others: Mapping[str, asyncio.Task[Result]], deadline: float
) -> Result:
    for name in check.needs:
        # Shield the needed check, because other checks may need it too when this check is
        # cancelled.
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
    except Exception as error:  # any error, because a failed check must not stop the others
        # Do not show the message of the error, because it may quote personal data or secrets.
        finding = wrong(
            f"the check itself failed ({type(error).__name__})",
            "this is a defect of interview-worker: report it with this line",
        )
    return Result(check=check, finding=finding, seconds=loop.time() - began)


async def _look(check: Check, visit: CheckContext) -> Finding:
    return await check.run(visit)
