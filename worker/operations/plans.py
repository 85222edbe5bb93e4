"""Operations on plan files, which need and import neither LiveKit nor a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.interview.plan.plan import Plan, PlanError, read_plan

if TYPE_CHECKING:
    from pathlib import Path

    from worker.interview.plan.validation import PlanProblem


@dataclass(frozen=True, kw_only=True)
class CheckedPlan:
    """A plan file with its problems, in the order of their lines.

    `plan` is None if the file has a mistake, but is set if the only problem is the plan's language.
    """

    path: str
    plan: Plan | None
    problems: tuple[PlanProblem, ...] = ()
    #: Line of the plan's language, if the plan is valid; None if it is not known.
    language_line: int | None = None
    #: Warnings for the author of the plan. Each is one sentence without a full stop.
    warnings: tuple[str, ...] = ()

    @property
    def warning_lines(self) -> list[str]:
        """Return each warning as one line, `path:line: warning`."""
        place = "" if self.language_line is None else f":{self.language_line}"
        return [f"{self.path}{place}: {warning}" for warning in self.warnings]

    @property
    def lines(self) -> list[str]:
        """Return each problem as one line, `path:line: problem`."""
        return [problem.located(self.path) for problem in self.problems]


def check_plan(path: Path) -> CheckedPlan:
    """Read and check a plan file. A file that cannot be read is reported as one problem."""
    try:
        file = read_plan(path)
    except PlanError as error:
        return CheckedPlan(path=str(path), plan=None, problems=error.problems)
    return CheckedPlan(path=str(path), plan=file.plan, language_line=file.language_line)
