"""Settings that a command can check although others are invalid."""

from __future__ import annotations

import pytest

from worker.config.partial import partial_settings
from worker.config.settings import Settings
from worker.env.group import SettingsInvalid


def partial() -> Settings:
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load()
    return partial_settings(refused.value)


def test_invalid_settings_get_their_defaults_and_checked_ones_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_SLOTS", "many")
    monkeypatch.setenv("INTERVIEW_LLM", "openai")
    monkeypatch.setenv("LIVEKIT_URL", "ws://livekit")
    monkeypatch.setenv("INTERVIEW_HTTP_PORT", "9000")
    settings = partial()
    assert settings.slots == Settings.model_fields["slots"].default
    assert settings.llm == ("scripted",)
    assert (settings.livekit_url, settings.http_port) == ("ws://livekit", 9000)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("INTERVIEW_HTTP_PORT", "70000"), ("INTERVIEW_HTTP_HOST", "192.0.2.1")],
)
def test_any_free_port_stands_for_an_address_that_is_not_allowed(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/interviews")
    settings = partial()
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 0)
    assert settings.database_url.get_secret_value() == "postgresql://db/interviews"
