"""What a command needs: everything that is missing is reported at once."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from worker.cli.app import app
from worker.cli.common import CommandError, ExitCode
from worker.cli.requirements import (
    has_database,
    has_livekit,
    has_valid_database_url,
    load_settings,
    report_unknown_variables,
)
from worker.config.settings import Settings, variable_of
from worker.env.group import SettingsInvalid
from worker.livekit_api.errors import LiveKitUrlInvalid
from worker.operations.errors import LiveKitNotConfigured
from worker.store.url import DatabaseUrlInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove this machine's variables and settings file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("INTERVIEW_HTTP_PORT", "0")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def livekit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "secret")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


def test_settings_that_pass_all_checks_are_returned(
    livekit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_EMBEDDED", "1")
    monkeypatch.setenv("INTERVIEW_SLOTS", "3")
    assert load_settings(has_livekit, has_database, has_valid_database_url).slots == 3


def test_the_only_problem_keeps_its_class() -> None:
    with pytest.raises(LiveKitNotConfigured):
        load_settings(has_livekit, has_valid_database_url)


def test_several_problems_are_lines_with_the_exit_code_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def taken(_: Settings) -> None:
        raise CommandError("the port is in use", ExitCode.TAKEN)

    with pytest.raises(CommandError) as refused:
        load_settings(taken, has_livekit, has_database)
    lines = str(refused.value).splitlines()
    assert lines[0] == "the port is in use"
    assert lines[1].startswith("LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET are not set")
    assert lines[2].startswith("no database is configured: ")
    assert refused.value.code is ExitCode.TAKEN


def test_invalid_settings_come_first_and_hide_no_other_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_SLOTS", "many")
    monkeypatch.setenv("INTERVIEW_STT", "deepgram")
    with pytest.raises(CommandError) as refused:
        load_settings(has_livekit, has_database)
    names = [line.split(maxsplit=1)[0] for line in str(refused.value).splitlines()]
    assert names == ["INTERVIEW_SLOTS:", "LIVEKIT_URL,", "no"]
    assert refused.value.code is ExitCode.USAGE


def test_a_secret_whose_file_cannot_be_used_is_not_said_to_be_missing_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "ws://x")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    for variable in ("LIVEKIT_API_SECRET", "DATABASE_URL"):
        monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(has_livekit, has_database)
    names = [line.split(":", maxsplit=1)[0] for line in str(refused.value).splitlines()]
    assert sorted(names) == ["DATABASE_URL", "LIVEKIT_API_SECRET"]


def test_settings_that_contradict_each_other_hide_no_other_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_HTTP_HOST", "192.0.2.1")
    with pytest.raises(CommandError) as refused:
        load_settings(has_livekit)
    first, second = str(refused.value).splitlines()
    assert first.startswith("INTERVIEW_HTTP_HOST is 192.0.2.1")
    assert second.startswith("LIVEKIT_URL, ")


def test_an_invalid_setting_alone_keeps_its_class(
    livekit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_SLOTS", "many")
    with pytest.raises(SettingsInvalid):
        load_settings(has_livekit)


def test_invalid_urls_are_found_without_a_connection(
    livekit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "ftp://host")
    monkeypatch.setenv("DATABASE_URL", "mysql://me:hunter2@host/db")
    with pytest.raises(LiveKitUrlInvalid):
        has_livekit(Settings.load())
    for check in (has_database, has_valid_database_url):
        with pytest.raises(DatabaseUrlInvalid) as refused:
            check(Settings.load())
        assert "hunter2" not in str(refused.value)


def test_start_names_all_that_is_missing_in_one_go(
    taken_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.cli.start.configure_logs", lambda _settings: None)
    (tmp_path / "file").touch()
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path / "file" / "data"))
    monkeypatch.setenv("INTERVIEW_HTTP_PORT", str(taken_port))
    done = CliRunner().invoke(app, ["start"])
    assert done.exit_code == ExitCode.USAGE
    lines = [line.removeprefix("interview-worker: ") for line in done.stderr.splitlines()]
    assert lines[0].startswith("LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET are not set")
    assert "set INTERVIEW_DATA_DIR to a folder" in lines[1]
    assert lines[2].startswith("no database is configured: ")
    assert lines[3].startswith(f"127.0.0.1:{taken_port} is in use; set INTERVIEW_HTTP_PORT")
    assert len(lines) == 4


def test_create_names_a_broken_plan_a_blank_name_and_livekit_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("title: T\n")
    given = ["interviews", "create", "--candidate", " ", "--plan", "plan.yaml"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == ExitCode.USAGE
    assert "plan.yaml" in done.stderr
    assert "--candidate must be" in done.stderr
    assert "LIVEKIT_URL, " in done.stderr


def test_a_misspelt_variable_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INTERVIEW_EMBEDED", "hunter2")
    report_unknown_variables()
    assert capsys.readouterr().err == (
        "interview-worker: INTERVIEW_EMBEDED is not a setting and has no effect: "
        "did you mean INTERVIEW_EMBEDDED?\n"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"INTERVIEW_SLOTS=3\xff\n", ".env is not UTF-8 text (byte 18)"),
        (b"INTERVIEW_SLOTS=3\0\n", "INTERVIEW_SLOTS: contains a character that is not text"),
        (b"OTHER=3\0\n'a=b'=1\n", "LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET are not set"),
    ],
)
def test_start_reports_an_env_file_that_is_not_text(
    content: bytes, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.cli.start.configure_logs", lambda _settings: None)
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    (tmp_path / ".env").write_bytes(content)
    done = CliRunner().invoke(app, ["start"])
    assert done.exit_code == ExitCode.USAGE
    assert done.stderr.startswith(f"interview-worker: {problem}")
