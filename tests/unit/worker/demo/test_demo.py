"""Which LiveKit server the demo uses, and how it names the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from worker.config.settings import Settings
from worker.demo.demo import _environment, _livekit
from worker.livekit_api.client import LiveKitClient

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which is empty, without a server in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def test_the_server_of_the_env_file_is_used(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    values = ("ws://livekit.example:7880", "a-key", "a-secret")
    pairs = zip(NAMES, values, strict=True)
    (here / ".env").write_text("".join(f"{name}={value}\n" for name, value in pairs))
    said: list[str] = []
    async with _livekit(said.append) as client:
        assert client == LiveKitClient(*values)
    assert said == ["using the LiveKit server at ws://livekit.example:7880"]


async def test_the_credentials_in_the_url_of_a_server_are_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "ws://user:hunter2@livekit.example:7880")
    said: list[str] = []
    async with _livekit(said.append):
        pass
    assert said == ["using the LiveKit server at ws://livekit.example:7880"]


def test_the_demos_worker_gets_the_demos_database_although_a_file_names_another(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "url").write_text("postgresql://theirs/db\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(here / "url"))
    ours = "postgresql://ours/db"
    environment = _environment(Settings.load(DATABASE_URL=ours, INTERVIEW_DATA_DIR=here))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().database_url.get_secret_value() == ours
