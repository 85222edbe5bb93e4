"""Secrets from files: their values, their white space, and what is no secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from worker.env.group import SettingsGroup, SettingsInvalid
from worker.env.secret_files import (
    FROM_FILE,
    SecretUnreadable,
    forget_values_beside_files,
    read_secret,
    secret_files,
    secret_variables,
)


class Secrets(SettingsGroup):
    """A group with a secret, a key, and a setting that comes from no file."""

    token: SecretStr = SecretStr("")
    """Token."""
    key: Annotated[str, FROM_FILE] = Field(default="", validation_alias="VENDOR_KEY")
    """Key."""
    name: str = ""
    """Name."""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the file of settings of this machine, and the variables of the group."""
    for name in ("INTERVIEW_ENV_FILE", "INTERVIEW_TOKEN", "VENDOR_KEY", "INTERVIEW_NAME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that INTERVIEW_TOKEN_FILE names; it does not exist yet."""
    monkeypatch.setenv("INTERVIEW_TOKEN_FILE", str(tmp_path / "token"))
    return tmp_path / "token"


def token() -> str:
    return Secrets.load().token.get_secret_value()


def problem() -> str:
    """Return the one line that reports the token."""
    with pytest.raises(SettingsInvalid) as refused:
        Secrets.load()
    (line,) = refused.value.problems
    assert refused.value.variables == {"INTERVIEW_TOKEN"}
    return line


def test_secrets_and_marked_settings_come_from_files_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secret_variables(Secrets) == {"token": "INTERVIEW_TOKEN", "key": "VENDOR_KEY"}
    (tmp_path / "value").write_text("hunter2")
    for name in ("INTERVIEW_TOKEN_FILE", "vendor_key_file", "INTERVIEW_NAME_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "value"))
    settings = Secrets.load()
    assert settings.token.get_secret_value() == settings.key == "hunter2"
    assert settings.name == ""


@pytest.mark.parametrize(
    "content",
    ["hunter2", "hunter2\n", " \thunter2\r\n\n", "\N{ZERO WIDTH NO-BREAK SPACE}hunter2\n"],
    ids=["alone", "line break", "much white space", "byte order mark"],
)
def test_a_secret_loses_the_white_space_around_it(content: str, file: Path) -> None:
    file.write_text(content, encoding="utf-8")
    assert token() == "hunter2"


def test_a_secret_of_a_variable_loses_its_white_space_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of Kubernetes often end with a line break, with which every request fails."""
    monkeypatch.setenv("INTERVIEW_TOKEN", "hunter2\n")
    monkeypatch.setenv("VENDOR_KEY", "  key\n")
    settings = Secrets.load()
    assert (settings.token.get_secret_value(), settings.key) == ("hunter2", "key")


def test_a_secret_keeps_the_white_space_inside_it(file: Path) -> None:
    file.write_text("two words\n")
    assert token() == "two words"


def test_a_secret_of_several_lines_is_refused_without_being_quoted(file: Path) -> None:
    file.write_text("hunter2\nhunter3\n")
    assert problem() == "INTERVIEW_TOKEN: contains a line break or another control character"


def test_a_value_and_a_file_are_one_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("hunter2")
    monkeypatch.setenv("INTERVIEW_TOKEN", "hunter3")
    assert problem() == (
        "INTERVIEW_TOKEN: is set, and INTERVIEW_TOKEN_FILE too: unset one of the two"
    )


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_beside_a_file_is_no_value(
    value: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("hunter2")
    monkeypatch.setenv("INTERVIEW_TOKEN", value)
    assert token() == "hunter2"


def test_an_empty_name_of_a_file_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERVIEW_TOKEN_FILE", " ")
    monkeypatch.setenv("INTERVIEW_TOKEN", "hunter2")
    assert token() == "hunter2"
    assert secret_files(Secrets) == {}


def test_an_argument_wins_over_a_file(file: Path) -> None:
    assert Secrets.load(INTERVIEW_TOKEN="hunter3").token.get_secret_value() == "hunter3"


def test_the_file_of_settings_may_name_a_file_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    (tmp_path / ".env").write_text(f"INTERVIEW_TOKEN_FILE={tmp_path / 'token'}\n")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", str(tmp_path / ".env"))
    assert token() == "hunter2"
    assert secret_files(Secrets) == {"token": str(tmp_path / "token")}


def test_a_file_that_does_not_exist_is_named_with_its_variable(file: Path) -> None:
    assert problem() == (
        f"INTERVIEW_TOKEN: the file of INTERVIEW_TOKEN_FILE ({file}) "
        "cannot be read (No such file or directory)"
    )


def test_a_secret_in_the_variable_of_the_file_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_TOKEN_FILE", "hunter2")
    assert "hunter2" not in problem()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a" * 65_537, "has more than 64 KiB"),
    ],
    ids=["empty", "white space", "no text", "too large"],
)
def test_what_is_no_secret_is_refused(content: bytes, why: str, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=f"^{why}$"):
        read_secret(str(file))
    assert problem().endswith(why)


def test_a_pipe_is_refused_instead_of_waited_for(file: Path) -> None:
    os.mkfifo(file)
    assert problem().endswith("is not a regular file")


def test_a_secret_is_read_through_a_link_as_kubernetes_mounts_it(
    tmp_path: Path, file: Path
) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "token").write_text("hunter2\n")
    file.symlink_to("..data/token")
    assert token() == "hunter2"


def test_only_values_that_have_a_file_are_removed_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """livekit-agents writes its secret into the environment, beside the variable of the file."""
    file.write_text("hunter2")
    monkeypatch.setenv("INTERVIEW_TOKEN", "hunter2")
    monkeypatch.setenv("VENDOR_KEY", "key")
    forget_values_beside_files(Secrets)
    assert "INTERVIEW_TOKEN" not in os.environ
    assert Secrets.load().key == "key"
    assert token() == "hunter2"
