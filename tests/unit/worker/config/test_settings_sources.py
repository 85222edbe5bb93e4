"""Where settings come from: chains of providers, the environment and its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.setting_values import VARIABLES, problem_of, value_of
from worker.config.settings import Settings, dotenv_variables, origin_of
from worker.env.group import SettingsInvalid

CHAINS = ("INTERVIEW_STT", "INTERVIEW_TTS", "INTERVIEW_LLM")


@pytest.mark.parametrize("variable", CHAINS)
def test_a_chain_is_split_at_commas_and_blanks_are_ignored(variable: str) -> None:
    (default,) = getattr(Settings.load(), VARIABLES[variable])[-1:]
    assert value_of(variable, f" {default} ,") == (default,)


@pytest.mark.parametrize("variable", CHAINS)
@pytest.mark.parametrize("value", ["", " , "])
def test_an_empty_chain_is_refused_with_the_known_providers(variable: str, value: str) -> None:
    assert "known are" in problem_of(variable, value)


@pytest.mark.parametrize("variable", CHAINS)
def test_an_unknown_provider_is_named_with_the_known_ones(variable: str) -> None:
    problem = problem_of(variable, "whisper")
    assert "'whisper' is not known; known are" in problem
    assert "Value error" not in problem


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of settings, which INTERVIEW_ENV_FILE names."""
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    return tmp_path / ".env"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("INTERVIEW_SLOTS=3\nINTERVIEW_AGENT_NAME=ada\nSTRANGER=1\n")
    monkeypatch.setenv("INTERVIEW_SLOTS", "4")
    settings = Settings.load()
    assert (settings.slots, settings.agent_name, settings.idle_processes) == (4, "ada", 2)
    assert origin_of("slots", dotenv_variables()) == "environment"
    assert origin_of("agent_name", dotenv_variables()) == ".env"
    assert origin_of("idle_processes", dotenv_variables()) == "default"


def test_a_name_without_a_value_in_the_file_leaves_the_default(env_file: Path) -> None:
    env_file.write_text("INTERVIEW_SLOTS\n")
    assert Settings.load().slots == Settings.model_fields["slots"].default
    assert origin_of("slots", dotenv_variables()) == "default"


def test_a_chain_can_be_set_in_the_file(env_file: Path) -> None:
    env_file.write_text("INTERVIEW_STT=local\n")
    assert Settings.load().stt == ("local",)


def test_a_wrong_value_in_the_file_is_named_by_its_variable(env_file: Path) -> None:
    env_file.write_text("INTERVIEW_SLOTS=many\n")
    with pytest.raises(SettingsInvalid, match="INTERVIEW_SLOTS: "):
        Settings.load()


@pytest.mark.parametrize("key", ["k" * 31, "k" * 32 + ",k"], ids=["short", "comma"])
def test_a_key_of_dispatch_metadata_that_cannot_be_used_is_refused_without_quoting_it(
    key: str,
) -> None:
    problem = problem_of("INTERVIEW_METADATA_KEY", key)
    assert key not in problem
    assert "32 or more" in problem or "comma" in problem


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_a_key_of_dispatch_metadata_may_be_empty_or_long(key: str) -> None:
    settings = Settings.load(INTERVIEW_METADATA_KEY=key)
    assert settings.metadata_key.get_secret_value() == key


def test_a_file_that_is_not_named_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INTERVIEW_SLOTS=3\n")
    assert Settings.load().slots == Settings.model_fields["slots"].default
    assert origin_of("slots", dotenv_variables()) == "default"


@pytest.mark.parametrize(
    ("named", "problem"),
    [("missing.env", "does not exist"), (".", "is not a file")],
)
def test_a_named_file_that_is_none_is_an_error(
    named: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_ENV_FILE", named)
    with pytest.raises(SettingsInvalid, match=f"INTERVIEW_ENV_FILE: {named} {problem}"):
        Settings.load()


def test_a_secret_of_a_file_has_the_variable_of_the_file_as_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    monkeypatch.setenv("LIVEKIT_API_SECRET_FILE", str(tmp_path / "secret"))
    assert Settings.load().livekit_api_secret.get_secret_value() == "from-a-file"
    assert origin_of("livekit_api_secret", dotenv_variables()) == "LIVEKIT_API_SECRET_FILE"
