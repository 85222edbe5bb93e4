"""The secrets of the main process, which no job process gets in its environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from worker.config.settings import Settings, variable_of
from worker.env.secret_files import secret_files
from worker.server import job_environment
from worker.server.job_environment import hidden_variables, hide_secrets

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "a-secret-of-at-least-thirty-two-characters"
ALL: Final = {
    "LIVEKIT_API_SECRET": SECRET,
    "INTERVIEW_METADATA_KEY": SECRET,
    "INTERVIEW_METADATA_OLD_KEYS": SECRET,
    "INTERVIEW_HTTP_TOKEN": SECRET,
    "LIVEKIT_TOKEN": SECRET,
    "LIVEKIT_WORKER_TOKEN": SECRET,
    "DATABASE_URL": f"postgresql://me:{SECRET}@localhost/db",
    "INTERVIEW_DATABASE_JOB_URL": f"postgresql://jobs:{SECRET}@localhost/db",
    "PGPASSWORD": SECRET,
    "LIVEKIT_API_SECRET_FILE": f"/run/{SECRET}",
    "DATABASE_URL_FILE": f"/run/{SECRET}",
}
#: The settings that are secrets of the main process alone.
HIDDEN: Final = (
    *("livekit_api_secret", "metadata_key", "metadata_old_keys", "http_token"),
    *("database_url", "database_job_url"),
)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return an environment that replaces that of this process, without the real memory."""
    found = {"PATH": "/bin", "DEEPGRAM_API_KEY": "needed by jobs", "LIVEKIT_API_KEY": "key"}
    monkeypatch.setattr(os, "environ", found)
    monkeypatch.setattr(job_environment, "_overwrite", lambda names: None)
    return found


def test_no_secret_of_the_main_process_stays_in_the_environment(
    environment: dict[str, str],
) -> None:
    environment.update(ALL)
    hide_secrets()
    assert not any(SECRET in value for value in environment.values())
    assert environment["DEEPGRAM_API_KEY"] == "needed by jobs"
    assert environment["LIVEKIT_API_KEY"] == "key"


def test_a_secret_in_a_variable_of_another_case_does_not_stay(environment: dict[str, str]) -> None:
    """pydantic-settings reads a name in any case."""
    environment["livekit_api_secret"] = environment["Interview_Http_Token"] = SECRET
    hide_secrets()
    assert not any(SECRET in value for value in environment.values())


def test_a_secret_that_comes_back_is_hidden_again(environment: dict[str, str]) -> None:
    """livekit-agents puts the API secret into the environment when it starts."""
    hide_secrets()
    environment["LIVEKIT_API_SECRET"] = SECRET
    hide_secrets()
    assert environment["LIVEKIT_API_SECRET"] == ""


def test_a_job_reads_valid_settings_without_the_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in ALL.items():
        monkeypatch.setenv(name, value)
    # With this address the main process needs its token.
    monkeypatch.setenv("INTERVIEW_HTTP_HOST", "0.0.0.0")  # noqa: S104  # not bound
    monkeypatch.setattr(job_environment, "_overwrite", lambda names: None)
    # A job process does not get the secrets from the file of settings either.
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    lines = [f"{name}={value}" for name, value in ALL.items() if "FILE" not in name]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    hide_secrets()
    settings = Settings.load()
    for field in HIDDEN:
        assert getattr(settings, field).get_secret_value() == "", field


def test_a_job_reads_no_secret_from_a_file_that_the_file_of_settings_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTERVIEW_ENV_FILE", str(tmp_path / ".env"))
    (tmp_path / "secret").write_text(f"postgresql://me:{SECRET}@localhost/db")
    lines = [f"{variable_of(field)}_FILE={tmp_path / 'secret'}" for field in HIDDEN]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    assert SECRET in Settings.load().livekit_api_secret.get_secret_value()
    monkeypatch.setattr(os, "environ", dict(os.environ))
    hide_secrets()
    settings = Settings.load(DATABASE_URL="postgresql://jobs@localhost/db")
    for field in HIDDEN:
        assert SECRET not in getattr(settings, field).get_secret_value(), field
    # The pool of a job reads no file, and stays with the URL of the job's own role.
    assert secret_files(Settings) == {}


def test_an_empty_variable_hides_no_file_of_passwords(environment: dict[str, str]) -> None:
    environment["PGPASSWORD"] = SECRET
    hide_secrets()
    assert "PGPASSWORD" not in environment


def test_every_secret_of_the_settings_is_hidden_or_needed_by_jobs() -> None:
    """A new secret needs a decision: add it here or to the hidden ones."""
    needed = {"DEEPGRAM_API_KEY", "ELEVEN_API_KEY", "OPENAI_API_KEY"}
    secrets = {
        str(field.validation_alias)
        for field in Settings.model_fields.values()
        if "SecretStr" in str(field.annotation)
    }
    assert secrets - hidden_variables() == needed
