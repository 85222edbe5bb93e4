"""The secrets of the main process, which no job process gets in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from worker.config.settings import Settings
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
    "LIVEKIT_API_SECRET_FILE": f"/run/{SECRET}",
}


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
    # A job process does not get the secrets from the file either.
    lines = [f"{name}={value}" for name, value in ALL.items() if "FILE" not in name]
    (tmp_path / "settings").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", str(tmp_path / "settings"))
    hide_secrets()
    settings = Settings.load()
    for field in ("livekit_api_secret", "metadata_key", "metadata_old_keys", "http_token"):
        assert getattr(settings, field).get_secret_value() == "", field


def test_a_job_does_not_read_the_files_of_secrets_that_the_file_of_settings_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the URL of the worker, a job would have all rights of the worker on the database."""
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    lines = [
        f"{name}_FILE={tmp_path / 'secret'}" for name in ("LIVEKIT_API_SECRET", "DATABASE_URL")
    ]
    (tmp_path / "settings").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", str(tmp_path / "settings"))
    for name in hidden_variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(job_environment, "_overwrite", lambda names: None)
    hide_secrets()
    settings = Settings.load(DATABASE_URL="postgresql://jobs@localhost/x")
    assert settings.livekit_api_secret.get_secret_value() == ""
    assert settings.database_url.get_secret_value() == "postgresql://jobs@localhost/x"
    assert not {"database_url", "livekit_api_secret"} & set(secret_files(Settings))


def test_every_secret_of_the_settings_is_hidden_or_needed_by_jobs() -> None:
    """A new secret needs a decision: add it here or to the hidden ones."""
    needed = {"DEEPGRAM_API_KEY", "ELEVEN_API_KEY", "OPENAI_API_KEY"}
    secrets = {
        str(field.validation_alias)
        for field in Settings.model_fields.values()
        if "SecretStr" in str(field.annotation)
    }
    assert secrets - hidden_variables() == needed


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="/proc is Linux's")
def test_the_memory_that_proc_shows_no_longer_has_the_secrets() -> None:
    """Every process of the same user can read this memory, that of a job too."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from worker.server.job_environment import hide_secrets\n"
        "before = Path('/proc/self/environ').read_bytes()\n"
        "hide_secrets()\n"
        "after = Path('/proc/self/environ').read_bytes()\n"
        "secret = sys.argv[1].encode()\n"
        "print(before.count(secret), after.count(secret), b'KEPT=as it is' in after)\n"
        "print(os.environ['KEPT'], os.environ['LIVEKIT_API_SECRET'] == '')\n"
    )
    given = {**os.environ, **ALL, "KEPT": "as it is"}
    shown = subprocess.run(
        [sys.executable, "-c", code, SECRET], env=given, check=True, capture_output=True, text=True
    )
    assert shown.stdout.splitlines() == [f"{len(ALL)} 0 True", "as it is True"]


def test_a_process_that_is_started_afterwards_has_no_secret() -> None:
    code = (
        "import subprocess, sys\n"
        "from worker.server.job_environment import hide_secrets\n"
        "hide_secrets()\n"
        "print(subprocess.run(['env'], capture_output=True, text=True).stdout)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **ALL},
        check=True,
        capture_output=True,
        text=True,
    )
    assert SECRET not in shown.stdout
    assert "LIVEKIT_API_SECRET=\n" in shown.stdout
