"""`interview-worker plan check`: every problem with its file and line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from worker.cli.app import app
from worker.cli.errors import MOST_LINES, ExitCode
from worker.interview.plan.plan import SAMPLE_PLAN

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BROKEN = """\
titel: Talk
opening: Hello.
questions:
  - id: first
    text: How are you?
    thinking_pause_s: soon
closing: Goodbye.
"""


def test_a_valid_plan_is_named_with_its_title_and_its_questions() -> None:
    done = CliRunner().invoke(app, ["plan", "check", str(SAMPLE_PLAN)])
    assert done.exit_code == ExitCode.OK
    assert done.stdout.startswith(f"{SAMPLE_PLAN}: valid: ")
    assert done.stdout.endswith(" questions)\n")
    assert done.stderr == ""


def test_every_problem_of_every_file_has_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(BROKEN)
    done = CliRunner().invoke(app, ["plan", "check", "one.yaml", str(SAMPLE_PLAN), "none.yaml"])
    assert done.exit_code == ExitCode.USAGE
    lines = done.stderr.splitlines()
    places = [line.split(": ")[1] for line in lines]
    assert all(line.startswith("interview-worker: ") for line in lines)
    assert {"one.yaml:1", "one.yaml:6"} <= set(places)
    assert lines[-1] == "interview-worker: none.yaml: there is no such file"
    assert done.stdout.startswith(f"{SAMPLE_PLAN}: valid: ")


def test_json_has_the_line_and_the_message_of_each_problem(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(BROKEN)
    done = CliRunner().invoke(app, ["plan", "check", "--json", str(plan), str(SAMPLE_PLAN)])
    assert done.exit_code == ExitCode.USAGE
    broken, sample = json.loads(done.stdout)
    assert (broken["path"], broken["valid"], broken["title"]) == (str(plan), False, None)
    assert 6 in {problem["line"] for problem in broken["problems"]}
    assert (sample["valid"], sample["problems"]) == (True, [])
    assert sample["questions"] > 0


def test_a_file_with_many_problems_does_not_fill_the_screen(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    questions = "".join(f"  - id: q{number}\n    text: 5\n" for number in range(80))
    plan.write_text(f"title: T\nopening: O\nclosing: C\nquestions:\n{questions}")
    done = CliRunner().invoke(app, ["plan", "check", str(plan)])
    lines = done.stderr.splitlines()
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "interview-worker: problems that are not shown: 30"


def test_a_title_cannot_change_the_terminal(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    text = SAMPLE_PLAN.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("title:")]
    plan.write_text("\n".join(['title: "Red \\e[31m talk"', *lines]), encoding="utf-8")
    done = CliRunner().invoke(app, ["plan", "check", str(plan)])
    assert done.exit_code == ExitCode.OK, done.stderr
    assert f"{plan}: valid: Red \N{REPLACEMENT CHARACTER}[31m talk (" in done.stdout


def german(folder: Path) -> Path:
    plan = folder / "de.yaml"
    text = SAMPLE_PLAN.read_text(encoding="utf-8")
    plan.write_text(text.replace("language: en\n", "language: de\n"), encoding="utf-8")
    return plan


def test_a_language_that_the_providers_do_not_hear_or_speak_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = german(tmp_path)
    line = plan.read_text(encoding="utf-8").splitlines().index("language: de") + 1
    done = CliRunner().invoke(app, ["plan", "check", str(plan)])
    assert done.exit_code == ExitCode.USAGE
    assert done.stdout == ""
    heard, spoken = done.stderr.splitlines()
    assert heard.startswith(f"interview-worker: {plan}:{line}: language de cannot be heard by")
    assert spoken.startswith(f"interview-worker: {plan}:{line}: language de cannot be spoken by")


def test_a_language_of_the_configured_providers_is_valid_with_its_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "INTERVIEW_STT": "deepgram",
        "INTERVIEW_TTS": "elevenlabs",
        "INTERVIEW_DEEPGRAM_LANGUAGE": "de",
        "DEEPGRAM_API_KEY": "key",
        "ELEVEN_API_KEY": "key",
    }.items():
        monkeypatch.setenv(name, value)
    plan = german(tmp_path)
    done = CliRunner().invoke(app, ["plan", "check", str(plan)])
    assert done.exit_code == ExitCode.OK, done.stderr
    assert done.stdout.startswith(f"{plan}: valid: ")
    (line,) = done.stderr.splitlines()
    assert "the recorded sentences of the interviewer are English" in line
    as_json = CliRunner().invoke(app, ["plan", "check", "--json", str(plan)])
    (checked,) = json.loads(as_json.stdout)
    assert checked["valid"]
    assert len(checked["warnings"]) == 1


def test_with_invalid_settings_the_rest_of_a_plan_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERVIEW_SLOTS", "many")
    done = CliRunner().invoke(app, ["plan", "check", str(SAMPLE_PLAN)])
    assert done.exit_code == ExitCode.OK, done.stderr
    (line,) = done.stderr.splitlines()
    assert "the languages of plans are not checked" in line
