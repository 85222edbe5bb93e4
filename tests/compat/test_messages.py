"""Broken plans, URLs and settings get the messages of tests/compat/messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.compat.broken_inputs import (
    PLANS,
    SETTINGS,
    URLS,
    plan_messages,
    settings_messages,
    url_messages,
)

pytestmark = pytest.mark.usefixtures("only_these_settings")

_STORED: Final = Path(__file__).with_name("messages")


def _stored(kind: str) -> Any:
    return json.loads((_STORED / f"{kind}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PLANS)
def test_a_broken_plan_gets_its_stored_messages(name: str, tmp_path: Path) -> None:
    assert plan_messages(PLANS[name], tmp_path) == _stored("plans")[name]


@pytest.mark.parametrize("variable", URLS)
def test_each_url_gets_its_stored_message_or_is_shown_as_before(variable: str) -> None:
    found = {url: url_messages(variable, url) for url in URLS[variable]}
    assert found == _stored("urls")[variable]


@pytest.mark.parametrize("name", SETTINGS)
def test_broken_settings_get_their_stored_messages(name: str) -> None:
    assert settings_messages(SETTINGS[name]) == _stored("settings")[name]


def test_no_stored_message_contains_a_password() -> None:
    """The passwords in the broken inputs are `hunter2` and, split by an @, `hun@ter2`."""
    shown = [lines for urls in _stored("urls").values() for lines in urls.values()]
    assert "hunter2" not in json.dumps([shown, _stored("settings")])
    assert "ter2" not in json.dumps(shown)


def test_every_broken_input_has_a_stored_message() -> None:
    assert set(_stored("plans")) == set(PLANS)
    assert {kind: set(urls) for kind, urls in _stored("urls").items()} == {
        kind: set(urls) for kind, urls in URLS.items()
    }
    assert set(_stored("settings")) == set(SETTINGS)
    assert all(lines for kind in ("plans", "settings") for lines in _stored(kind).values())
