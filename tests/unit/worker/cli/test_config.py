"""`interview-worker config`: its rows, its JSON, and its layout."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from worker.cli.app import app
from worker.config.listing import GROUPS
from worker.config.settings import Settings, variable_of

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = [variable_of(name) for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove this machine's variables and settings file."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def config(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["config", *arguments])
    assert done.exit_code == 0, done.stderr
    return done


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_no_variable_is_cut_off_whatever_the_width(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = config().stdout.splitlines()
    shown = {line.split()[0] for line in lines if line and not line.startswith(" ")}
    assert shown >= set(VARIABLES)
    assert max(map(len, lines)) <= columns


def test_the_settings_are_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = [line.rstrip() for line in config().stdout.splitlines()]
    assert [line for line in lines if line in GROUPS] == list(GROUPS)


def test_only_changed_settings_are_listed_with_their_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("INTERVIEW_AGENT_NAME=ada\nINTERVIEW_DRAIN_S=3600\n")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    monkeypatch.setenv("INTERVIEW_SLOTS", "3")
    rows = json.loads(config("--changed", "--json").stdout)
    assert {row["variable"]: (row["value"], row["origin"]) for row in rows} == {
        "INTERVIEW_AGENT_NAME": ("ada", ".env"),
        "INTERVIEW_ENV_FILE": (".env", "environment"),
        "INTERVIEW_SLOTS": ("3", "environment"),
    }
    text = config("--changed").stdout
    assert "3  (environment)" in text
    assert "ada  (.env)" in text
    assert "INTERVIEW_DRAIN_S" not in text


def test_without_any_change_a_sentence_is_printed() -> None:
    assert config("--changed").stdout == "every setting has its default\n"
    assert json.loads(config("--changed", "--json").stdout) == []


def test_a_secret_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:hunter2@db/interviews")
    done = config("--changed")
    assert "hunter2" not in done.output
    assert "********  (environment)" in done.stdout


def test_a_misspelt_variable_is_named_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_SLOT", "hunter2")
    done = config("--json")
    assert done.stderr == (
        "interview-worker: INTERVIEW_SLOT is not a setting and has no effect: "
        "did you mean INTERVIEW_SLOTS?\n"
    )
    assert "hunter2" not in done.output
    json.loads(done.stdout)


def test_an_env_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), ".env")

    (tmp_path / ".env").touch()
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    monkeypatch.setattr("dotenv.dotenv_values", refused)
    done = CliRunner().invoke(app, ["config"])
    assert done.exit_code == 1
    assert done.stderr.splitlines()[1:] == ["interview-worker: .env: Permission denied"]


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of `.env` in the working folder; --env-file changes no other test."""
    monkeypatch.setenv("INTERVIEW_ENV_FILE", "")
    (tmp_path / ".env").write_text("INTERVIEW_AGENT_NAME=ada\n")
    return tmp_path / ".env"


def test_the_option_names_a_file_of_settings_and_one_line_says_so(env_file: Path) -> None:
    done = CliRunner().invoke(app, ["--env-file", ".env", "config", "--changed", "--json"])
    assert done.stderr == f"interview-worker: settings are also read from {env_file}\n"
    values = {row["variable"]: row["value"] for row in json.loads(done.stdout)}
    assert values == {"INTERVIEW_AGENT_NAME": "ada", "INTERVIEW_ENV_FILE": str(env_file)}


def test_a_file_in_the_folder_that_is_not_named_is_passed_over_and_one_line_says_so(
    env_file: Path,
) -> None:
    done = config("--changed", "--json")
    assert json.loads(done.stdout) == []
    assert done.stderr == (
        "interview-worker: the file .env in this folder is not read: "
        "to read it, use --env-file .env\n"
    )


def test_a_named_file_that_does_not_exist_is_one_line() -> None:
    done = CliRunner().invoke(app, ["config"], env={"INTERVIEW_ENV_FILE": "missing.env"})
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "interview-worker: INTERVIEW_ENV_FILE: missing.env does not exist"
    )


def test_a_secret_from_a_file_is_masked_and_has_its_variable_as_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://ada:hunter2@db/interviews\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    done = config("--changed")
    assert "hunter2" not in done.output
    assert "********  (DATABASE_URL_FILE)" in done.stdout
