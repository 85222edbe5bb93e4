"""`interview-worker doctor`: its lines, its JSON and its exit code."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from worker.cli.app import app
from worker.doctor import registry
from worker.doctor.context import CheckContext
from worker.doctor.finding import Finding, fine, warning, wrong
from worker.doctor.runner import Check


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Isolate the test from this machine's settings, and restore logging."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("worker.doctor.runner.prepare", lambda _: None)
    yield
    logging.disable(logging.NOTSET)


def doctor(monkeypatch: pytest.MonkeyPatch, *findings: Finding, arguments: str = "") -> Any:
    """Run the command with checks of these findings; each after the first needs the first."""

    def check(number: int, finding: Finding) -> Check:
        async def run(_: CheckContext) -> Finding:
            return finding

        needs = ("check.0",) if number else ()
        return Check(name=f"check.{number}", what="something", run=run, needs=needs)

    checks = [check(number, finding) for number, finding in enumerate(findings)]
    monkeypatch.setattr(registry, "checks_of", lambda _: checks)
    return CliRunner().invoke(app, ["doctor", *arguments.split()])


def test_successful_checks_print_a_line_each_and_exit_0(monkeypatch: pytest.MonkeyPatch) -> None:
    result = doctor(monkeypatch, fine("the server answers"), fine("the key is accepted"))
    assert result.exit_code == 0
    assert " ".join(result.stdout.splitlines()[0].split()) == "ok check.0 the server answers"
    assert result.stdout.splitlines()[-1] == "2 ok"


def test_a_failed_check_prints_its_advice_and_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    result = doctor(monkeypatch, wrong("no answer", "start it"), fine("never checked"))
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[:3] == [
        ["WRONG", "check.0", "no", "answer"],
        ["->", "start", "it"],
        ["skip", "check.1", "needs", "check.0"],
    ]
    assert result.stdout.splitlines()[-1] == "1 wrong, 1 skipped"


@pytest.mark.parametrize(("arguments", "code"), [("", 0), ("--strict", 1)])
def test_warnings_exit_1_only_with_strict(
    monkeypatch: pytest.MonkeyPatch, arguments: str, code: int
) -> None:
    result = doctor(monkeypatch, warning("over TCP", "open UDP"), arguments=arguments)
    assert result.exit_code == code


def test_json_output_has_every_field_of_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    result = doctor(monkeypatch, wrong("slow", "buy a disk", median_ms=1200.0), arguments="--json")
    answer = json.loads(result.stdout)
    assert answer["well"] is False
    (check,) = answer["checks"]
    assert check.pop("seconds") >= 0
    assert check == {
        "check": "check.0",
        "what": "something",
        "verdict": "wrong",
        "found": "slow",
        "advice": "buy a disk",
        "facts": {"median_ms": 1200.0},
    }


def test_findings_are_printed_as_plain_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = doctor(monkeypatch, wrong("[bold]it\x1b[31m", "[/red]"))
    assert "[bold]it\N{REPLACEMENT CHARACTER}[31m" in result.stdout
    assert "-> [/red]" in result.stdout


def test_each_invalid_setting_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERVIEW_SLOTS", "none")
    monkeypatch.setenv("INTERVIEW_STT", "unknown")
    result = doctor(monkeypatch)
    assert result.exit_code == 1
    assert result.stdout.count("WRONG") == 2
    assert "INTERVIEW_SLOTS" in result.stdout


def test_an_env_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), ".env")

    (tmp_path / ".env").touch()
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    monkeypatch.setenv("INTERVIEW_SLOTS", "none")
    monkeypatch.setattr("dotenv.dotenv_values", refused)
    result = doctor(monkeypatch)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == ["interview-worker: .env: Permission denied"]
