"""Messages on standard error: one line for each problem, and not too many."""

from __future__ import annotations

import pytest
import typer

from worker.cli.errors import MOST_LINES, ExitCode, fail, report, text_of


def test_every_line_of_a_message_has_the_same_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left:
        fail("plan.yaml:3: title is missing\nplan.yaml:9: id is missing", ExitCode.USAGE)
    assert left.value.exit_code == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "interview-worker: plan.yaml:3: title is missing\n"
        "interview-worker: plan.yaml:9: id is missing\n"
    )


def test_no_message_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report("a\x1b[2Jb\u202ec")
    assert capsys.readouterr().err == "interview-worker: a\\x1b[2Jb\\u202ec\n"


def test_a_file_with_a_line_break_in_its_name_is_reported_in_one_line() -> None:
    assert text_of(FileNotFoundError(2, "No such file", "a\nb")) == "a\\nb: No such file"


def test_many_problems_are_cut_off_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    report("\n".join(f"problem {number}" for number in range(MOST_LINES + 13)))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MOST_LINES + 1
    assert lines[-2:] == [
        f"interview-worker: problem {MOST_LINES - 1}",
        "interview-worker: problems that are not shown: 13",
    ]


def test_as_many_problems_as_fit_are_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    report("\n".join(["a problem"] * MOST_LINES))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["interview-worker: a problem"] * MOST_LINES
