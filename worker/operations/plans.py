"""Operations on plan files, which need and import neither LiveKit nor a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.interview.plan.plan import Plan, PlanError, load_plan

if TYPE_CHECKING:
    from pathlib import Path

    from worker.interview.plan.validation import PlanProblem


@dataclass(frozen=True, kw_only=True)
class CheckedPlan:
    """A plan file with its problems, in the order of their lines. With problems, `plan` is None."""

    path: str
    plan: Plan | None
    problems: tuple[PlanProblem, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Return each problem as one line, `path:line: problem`."""
        return [problem.located(self.path) for problem in self.problems]


def check_plan(path: Path) -> CheckedPlan:
    """Read and check a plan file. A file that cannot be read is one problem."""
    try:
        return CheckedPlan(path=str(path), plan=load_plan(path))
    except PlanError as error:
        return CheckedPlan(path=str(path), plan=None, problems=error.problems)
