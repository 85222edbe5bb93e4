"""How a setting is shown, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.setting_values import VARIABLES, problem_of
from worker.config.settings import Settings, shown


@pytest.mark.parametrize("variable", ["LIVEKIT_API_SECRET", "DATABASE_URL"])
def test_a_secret_is_never_shown(variable: str) -> None:
    secret = "postgresql://ada:hunter2@db/interviews"
    settings = Settings.load(**{variable: secret})
    value = getattr(settings, VARIABLES[variable])
    assert value.get_secret_value() == secret
    assert shown(value) == "********"
    assert "hunter2" not in repr(settings) + str(settings)


def test_a_secret_of_the_wrong_kind_is_not_quoted_in_the_problem() -> None:
    assert "hunter2" not in problem_of("LIVEKIT_API_SECRET", ["hunter2"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(SecretStr(""), ""), (("deepgram", "local"), "deepgram,local"), (True, "True"), (5.0, "5.0")],
    ids=str,
)
def test_a_value_is_shown_as_it_is_written(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("wss://user:hunter2@host/p", "wss://********@host/p"),
        ("https://host/v1?key=hunter2", "https://host/v1?********"),
        ("https://a@b:hunter2@host:1", "https://********@host:1"),
        ("wss://host:7880", "wss://host:7880"),
        ("what?", "what?"),
        (("deepgram", "local"), "deepgram,local"),
    ],
)
def test_a_setting_is_shown_without_the_secrets_of_its_url(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(("given", "folder"), [("~/x", "{home}/x"), ("~no-such-user/x", "{given}")])
def test_a_tilde_in_the_data_folder_is_the_home_folder(given: str, folder: str) -> None:
    settings = Settings.load(_env_file=None, INTERVIEW_DATA_DIR=given)
    assert str(settings.data_dir) == folder.format(home=Path.home(), given=given)
