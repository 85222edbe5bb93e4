"""A group of settings: names of variables, help texts, sources and errors."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest
from pydantic import Field

from worker.env.group import SettingsGroup, SettingsInvalid, help_texts

if TYPE_CHECKING:
    from pathlib import Path


class FirstSettings(SettingsGroup):
    """A group."""

    grace_s: float = 3.0
    """Seconds to wait
    for a candidate."""
    chain: str = Field(default="local", description="Computed text.")
    key: str = Field(default="", validation_alias="VENDOR_KEY")
    """Key."""


class SecondSettings(SettingsGroup):
    """Another group."""

    slots: int = 4
    """Number of jobs."""


class UnreadSettings(SettingsGroup):
    """A group whose source nothing has read."""

    slots: int = 4
    """Number of jobs."""


class JoinedSettings(FirstSettings, SecondSettings):
    """Both groups."""


def test_a_variable_is_the_name_of_its_field_unless_the_field_names_another() -> None:
    fields = FirstSettings.model_fields
    assert fields["grace_s"].validation_alias == "INTERVIEW_GRACE_S"
    assert fields["key"].validation_alias == "VENDOR_KEY"


def test_a_help_text_is_the_docstring_below_the_field_on_one_line() -> None:
    assert help_texts(FirstSettings) == {
        "grace_s": "Seconds to wait for a candidate.",
        "chain": "Computed text.",
        "key": "Key.",
    }


def test_joined_groups_have_the_help_texts_of_all_groups_in_the_order_of_the_fields() -> None:
    helps = help_texts(JoinedSettings)
    assert list(helps) == list(JoinedSettings.model_fields)
    assert helps["slots"] == "Number of jobs."


def test_without_sources_a_help_text_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> str:
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", missing)
    assert help_texts(UnreadSettings) == {"slots": ""}


def test_a_group_alone_reads_the_environment_and_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    (tmp_path / ".env").write_text("INTERVIEW_GRACE_S=4\nINTERVIEW_CHAIN=file\nINTERVIEW_SLOTS=x\n")
    monkeypatch.setenv("INTERVIEW_CHAIN", "environment")
    group = FirstSettings.load()
    assert (group.grace_s, group.chain) == (4.0, "environment")


def test_a_file_that_is_not_named_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command may run in a folder that someone else has filled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERVIEW_ENV_FILE", raising=False)
    (tmp_path / ".env").write_text("INTERVIEW_CHAIN=theirs\n")
    assert FirstSettings.load().chain == "local"


def test_an_invalid_setting_of_a_group_is_named_by_its_variable() -> None:
    with pytest.raises(
        SettingsInvalid, match=r"^VENDOR_KEY: contains a character that is not text$"
    ) as refused:
        FirstSettings.load(VENDOR_KEY="a\0b")
    assert refused.value.variables == {"VENDOR_KEY"}
