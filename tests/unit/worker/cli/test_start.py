"""The checks of `interview-worker start` before a worker runs."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.environment import OURS
from tests.support.virtual.job_parts import settings_in
from worker.cli.common import CommandError, ExitCode
from worker.cli.start import (
    _begin_logs,
    _check_data_dir,
    _check_port,
    _pin_settings,
    _report_opt_outs,
    _report_proxy,
)
from worker.config.settings import Settings
from worker.fallback.opt_outs import OptOutRecords
from worker.fallback.shared_breaker import provider_breaker

if TYPE_CHECKING:
    from pathlib import Path


def test_a_data_folder_that_cannot_be_written_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = settings_in(tmp_path / "file" / "data")
    with pytest.raises(
        CommandError, match=r"cannot write to .*; set INTERVIEW_DATA_DIR"
    ) as refused:
        _check_data_dir(settings)
    assert refused.value.code is ExitCode.TAKEN
    assert "(Not a directory)" in str(refused.value)


def test_the_check_of_a_writable_data_folder_leaves_no_file(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    _check_data_dir(settings)
    assert list(settings.journal_dir.iterdir()) == []


class Ascii(dict[str, str]):
    """An environment that holds ASCII alone."""

    def __setitem__(self, name: str, value: str) -> None:
        value.encode("ascii")
        super().__setitem__(name, value)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ascii:
    """Replace the environment by one that names the file of an empty working folder alone."""
    given = Ascii({name: value for name, value in os.environ.items() if not name.startswith(OURS)})
    monkeypatch.setattr(os, "environ", given)
    monkeypatch.chdir(tmp_path)
    given["INTERVIEW_ENV_FILE"] = ".env"
    return given


@pytest.mark.parametrize(
    ("in_environment", "in_file"),
    [("DATABASE_URL", "database_url"), ("database_url", "DATABASE_URL")],
)
def test_the_environment_wins_over_the_file_in_either_case(
    in_environment: str, in_file: str, environment: Ascii, tmp_path: Path
) -> None:
    environment[in_environment] = "postgresql://me@environment/db"
    (tmp_path / ".env").write_text(f"{in_file}=postgresql://me@file/db\n")
    _pin_settings()
    assert Settings.load().database_url.get_secret_value() == "postgresql://me@environment/db"


def test_a_later_change_of_the_file_changes_no_setting(environment: Ascii, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("interview_slots=3\nINTERVIEW_AGENT_NAME=ada\nNO_VALUE\n")
    _pin_settings()
    (tmp_path / ".env").write_text("INTERVIEW_SLOTS=4\nINTERVIEW_AGENT_NAME=eve\n")
    settings = Settings.load()
    assert (settings.slots, settings.agent_name) == (3, "ada")
    assert "NO_VALUE" not in environment


def test_a_value_that_the_environment_cannot_hold_is_skipped(
    environment: Ascii, tmp_path: Path
) -> None:
    text = "INTERVIEW_AGENT_NAME=Zoë\nINTERVIEW_SLOTS=3\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    _pin_settings()
    assert "INTERVIEW_AGENT_NAME" not in environment
    assert environment["INTERVIEW_SLOTS"] == "3"


def test_a_start_names_a_provider_that_is_known_to_refuse_the_opt_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_in(
        tmp_path, INTERVIEW_TTS="elevenlabs,local", ELEVEN_API_KEY="key", OPENAI_API_KEY="key"
    )
    OptOutRecords("tts", provider_breaker(settings.data_dir)).tell("elevenlabs", refused=True)
    _report_opt_outs(settings)
    (line,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert getattr(line, "event", "") == "provider_used_without_opt_out"
    assert (
        "elevenlabs of INTERVIEW_TTS refuses requests that ask it to keep no texts" in line.message
    )


def test_a_start_names_what_does_not_go_through_the_proxy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:hunter2@proxy.example:3128")
    _report_proxy(settings_in(tmp_path, LIVEKIT_URL="ws://livekit.example:7880"))
    (line,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert getattr(line, "event", "") == "proxy_insufficient"
    assert "unencrypted WebSocket" in line.message
    assert "hunter2" not in line.message


def test_a_taken_port_of_the_probes_is_refused_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = settings_in(tmp_path, INTERVIEW_HTTP_PORT="0", INTERVIEW_HTTP_PROBE_PORT=port)
        with pytest.raises(CommandError, match="set INTERVIEW_HTTP_PROBE_PORT") as refused:
            _check_port(settings)
    assert refused.value.code is ExitCode.TAKEN


@pytest.mark.parametrize(("named", "event"), [(".env", "env_file_read"), ("", "env_file_not_read")])
def test_the_log_says_once_whether_the_file_of_settings_is_read(
    named: str,
    event: str,
    environment: Ascii,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / ".env").touch()
    environment["INTERVIEW_ENV_FILE"] = named
    monkeypatch.setattr("worker.cli.start.configure_logs", lambda _settings: None)
    with caplog.at_level("INFO"):
        _begin_logs(Settings.load())
    events = [vars(each).get("event") for each in caplog.records]
    assert [each for each in events if each in ("env_file_read", "env_file_not_read")] == [event]


def test_a_secret_from_a_file_stays_in_its_file(environment: Ascii, tmp_path: Path) -> None:
    """The processes of jobs read it there, also after it has been rotated."""
    (tmp_path / "url").write_text("postgresql://me@first/db\n")
    (tmp_path / ".env").write_text(f"DATABASE_URL_FILE={tmp_path / 'url'}\n")
    _pin_settings()
    assert "DATABASE_URL" not in environment
    (tmp_path / "url").write_text("postgresql://me@second/db\n")
    assert Settings.load().database_url.get_secret_value() == "postgresql://me@second/db"
