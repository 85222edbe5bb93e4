"""The file of settings: which one is read, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.env.env_file import (
    VARIABLE,
    EnvFileInvalid,
    chosen_file,
    existing_file,
    file_variables,
    is_passed_over,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, which has a file `.env` that nothing names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / ".env").write_text("INTERVIEW_SLOTS=3\nNO_VALUE\n")
    return tmp_path


def test_a_file_that_is_not_named_is_passed_over() -> None:
    assert (chosen_file(), existing_file(), dict(file_variables())) == (None, None, {})
    assert is_passed_over()


@pytest.mark.parametrize("name", [VARIABLE, VARIABLE.lower()])
def test_a_named_file_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, ".env")
    assert existing_file() == Path(".env")
    assert file_variables() == {"INTERVIEW_SLOTS": "3", "NO_VALUE": None}
    assert not is_passed_over()


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_name_names_no_file(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert chosen_file() is None


def test_a_tilde_is_the_home_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv(VARIABLE, "~/.env")
    assert existing_file() == here / ".env"


@pytest.mark.parametrize(("name", "problem"), [("none", "does not exist"), (".", "is not a file")])
def test_a_name_of_no_file_is_refused_in_one_line(
    name: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, name)
    with pytest.raises(EnvFileInvalid, match=rf"^{VARIABLE}: {name} {problem}$"):
        existing_file()


def test_the_name_of_a_missing_file_is_shown_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "a\nb\x1b[2J")
    with pytest.raises(EnvFileInvalid) as caught:
        existing_file()
    assert str(caught.value) == f"{VARIABLE}: a\\nb\\x1b[2J does not exist"


def test_a_file_that_is_not_utf_8_has_no_variables(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_bytes(b"A=\xff\n")
    monkeypatch.setenv(VARIABLE, ".env")
    assert dict(file_variables()) == {}
