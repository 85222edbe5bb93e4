"""Plans: files in YAML, and JSON from a dispatch or the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given

from tests.fuzz.budget import examples
from tests.fuzz.promises import assert_one_line, within_memory, within_time
from tests.fuzz.strategies.plans import (
    damaged_plan_files,
    damaged_plans,
    large_plan_files,
    plan_files,
    plans,
)
from worker.interview.plan.plan import MAX_PROBLEMS, Plan, PlanError, load_plan
from worker.operations.plans import check_plan

if TYPE_CHECKING:
    from pathlib import Path

#: Words that only the paths of fields and the messages of the rules have.
_ROOTS = (*Plan.keys(), "the plan")


def assert_problems(error: PlanError, path: str) -> None:
    """Assert that each problem is one short line, with the file and the line or the field."""
    lines = str(error).split("\n")
    assert len(lines) == len(error.problems) <= MAX_PROBLEMS + 1
    for line, problem in zip(lines, error.problems, strict=True):
        assert_one_line(line, place=f"{path}:")
        assert problem.line is not None or problem.message.strip() != ""


@given(plan_files())
@examples(10)
def test_a_valid_file_is_the_plan_of_its_data(
    folder: Path, drawn: tuple[dict[str, Any], bytes]
) -> None:
    data, content = drawn
    path = folder / "plan.yaml"
    path.write_bytes(content)
    plan = within_time(lambda: load_plan(path), size=len(content))
    assert plan == Plan.from_json(data)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@given(damaged_plan_files())
@examples(20)
def test_a_damaged_file_is_a_plan_or_a_list_of_problems(folder: Path, content: bytes) -> None:
    path = folder / "plan.yaml"
    path.write_bytes(content)
    checked = within_time(lambda: check_plan(path), size=len(content))
    if checked.plan is None:
        assert_problems(PlanError(str(path), checked.problems), str(path))
        assert checked.problems != ()
    else:
        assert Plan.from_json(checked.plan.to_json()) == checked.plan


@given(large_plan_files())
@examples(2)
def test_the_time_and_memory_for_a_file_are_in_proportion_to_its_size(
    folder: Path, content: bytes
) -> None:
    path = folder / "plan.yaml"
    path.write_bytes(content)
    checked = within_time(lambda: check_plan(path), size=len(content))
    assert checked.plan is None
    within_memory(lambda: check_plan(path), size=len(content))
    assert_problems(PlanError(str(path), checked.problems), str(path))


@given(plans())
@examples(10)
def test_a_valid_plan_survives_a_round_trip(data: dict[str, Any]) -> None:
    plan = Plan.from_json(data)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@given(damaged_plans())
@examples(20)
def test_damaged_data_is_a_plan_or_a_list_of_problems(data: Any) -> None:
    try:
        plan = within_time(lambda: Plan.from_json(data), size=10_000)
    except PlanError as error:
        assert_problems(error, "plan")
        for problem in error.problems:
            assert problem.message.startswith(_ROOTS) or "unknown" in problem.message
    else:
        assert Plan.from_json(plan.to_json()) == plan
