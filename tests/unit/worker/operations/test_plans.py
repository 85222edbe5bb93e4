"""Checks of plan files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.operations.plans import check_plan

if TYPE_CHECKING:
    from pathlib import Path


def test_a_valid_plan_is_returned_without_problems() -> None:
    checked = check_plan(SAMPLE_PLAN)
    assert checked.plan == load_plan(SAMPLE_PLAN)
    assert (checked.path, checked.problems, checked.lines) == (str(SAMPLE_PLAN), (), [])


def test_every_problem_is_a_line_with_the_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("title: 5\nopening: Hello.\nquestions: []\nclosing: Goodbye.\n")
    checked = check_plan(plan)
    assert checked.plan is None
    assert [line.split(": ")[0] for line in checked.lines] == [f"{plan}:1", f"{plan}:3"]


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    checked = check_plan(tmp_path / "none.yaml")
    assert checked.lines == [f"{tmp_path / 'none.yaml'}: there is no such file"]
