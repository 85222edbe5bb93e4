"""The checks of `interview-worker start` before a worker runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.environment import OURS
from tests.support.virtual.job_parts import settings_in
from worker.cli.common import CommandError, ExitCode
from worker.cli.start import _OF_THE_DATABASE, _check_data_dir, _hide, _pin_settings
from worker.config.settings import Settings

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
    """Replace the environment by one without settings, and work in an empty folder."""
    given = Ascii({name: value for name, value in os.environ.items() if not name.startswith(OURS)})
    monkeypatch.setattr(os, "environ", given)
    monkeypatch.chdir(tmp_path)
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


def test_the_processes_of_a_worker_inherit_no_url_of_the_database(
    environment: Ascii, tmp_path: Path
) -> None:
    environment["database_url"] = environment["DATABASE_URL"] = "postgresql://me:secret@db/x"
    (tmp_path / ".env").write_text("INTERVIEW_DATABASE_JOB_URL=postgresql://me:secret@db/x\n")
    _pin_settings()
    _hide(_OF_THE_DATABASE)
    assert "secret" not in str(environment)
    settings = Settings.load()
    assert settings.database_url.get_secret_value() == ""
    assert settings.database_job_url.get_secret_value() == ""
