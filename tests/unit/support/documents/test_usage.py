"""How commands in documents are checked against what exists."""

from __future__ import annotations

import pytest

from tests.support.documents.usage import inline_problem, shell_problem, usage_problem


@pytest.mark.parametrize(
    "text",
    [
        "interview-worker",
        "interview-worker jobs show",
        "interview-worker jobs show JOB",
        "interview-worker jobs list | show JOB",
        "interview-worker jobs show JOB --json | jq .outcome",
        "interview-worker plot [JOB] --last N -o slow.svg",
        "interview-worker interviews create … --dispatch",
        "interview-worker interviews show <id>",
        "interview-worker COMMAND --help",
        "docker exec NAME interview-worker health live",
        "pip install interview-worker",
        "interview-worker[testing]",
        "INTERVIEW_SLOTS=2 interview-worker start",
        "jobs show",
        "blame --last 100",
        "health live",
        "make chaos N=20 SEED=7",
        ".venv/bin/python -m tests.stand_ins",
        "python -m pytest",
        "process=kill@running",
        "jq 'select(.event == \"job_refused\")'",
    ],
)
def test_inline_code_that_names_what_exists_is_right(text: str) -> None:
    assert inline_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("interview-worker job list", "`interview-worker` has no command `job`"),
        ("interview-worker jobs print", "`interview-worker jobs` has no command `print`"),
        ("interview-worker jobs list --all", "`interview-worker jobs list`: No such option: --all"),
        ("interview-worker jobs list | show JOB --no", "No such option: --no"),
        ("interview-worker health dead", "Invalid value for"),
        ("interview-worker critical-chain A B", "Got unexpected extra argument"),
        ("python -m worker jobs print", "`interview-worker jobs` has no command `print`"),
        ("jobs print", "`interview-worker jobs` has no command `print`"),
        ("blame --newest 3", "No such option: --newest"),
        ("make everything", "the Makefile has no target `everything`"),
        ("python -m tests.stand_in", "there is no module `tests.stand_in`"),
    ],
)
def test_inline_code_that_names_what_does_not_exist_is_reported(text: str, problem: str) -> None:
    found = inline_problem(text)
    assert found is not None
    assert problem in found


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("interview-worker",), "`interview-worker` needs a command"),
        (("interview-worker", "jobs", "show"), "Missing argument"),
        (("interview-worker", "interviews", "create", "--dispatch"), "Missing option"),
        (("docker", "exec", "x", "interview-worker", "plot", "--first"), "No such option: --first"),
    ],
)
def test_a_command_in_a_fence_must_be_complete(words: tuple[str, ...], problem: str) -> None:
    found = shell_problem(words)
    assert found is not None
    assert problem in found


def test_a_command_with_a_shell_variable_or_the_request_for_help_is_right() -> None:
    assert shell_problem(("interview-worker", "jobs", "show", "$job", "--json")) is None
    assert shell_problem(("interview-worker", "blame", "--last", "$N")) is None
    assert usage_problem(("jobs", "show", "--help"), complete=True) is None
