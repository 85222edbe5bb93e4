"""Secrets that change in their files while a worker runs."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.async_steps import end
from worker.config import rotation
from worker.config.rotation import SecretRotation
from worker.config.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


class Rotated:
    """Files of a token and of a secret, and the settings that a rotation reported."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.token, self.secret = folder / "token", folder / "secret"
        self.token.write_text("the-first-of-all-tokens\n")
        self.secret.write_text("the-first-secret\n")
        monkeypatch.setenv("INTERVIEW_HTTP_TOKEN_FILE", str(self.token))
        monkeypatch.setenv("LIVEKIT_API_SECRET_FILE", str(self.secret))
        monkeypatch.setenv("INTERVIEW_SLOTS", "3")
        self.reported: list[Settings] = []
        self.rotation = SecretRotation(Settings.load(), self.reported.append)

    @property
    def values(self) -> list[tuple[str, str]]:
        return [
            (each.http_token.get_secret_value(), each.livekit_api_secret.get_secret_value())
            for each in self.reported
        ]


@pytest.fixture
def rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rotated:
    return Rotated(tmp_path, monkeypatch)


async def test_a_changed_secret_is_reported_once_and_the_other_ones_stay(rotated: Rotated) -> None:
    await rotated.rotation.look()
    assert rotated.values == []
    rotated.token.write_text("the-second-of-all-tokens\n")
    await rotated.rotation.look()
    await rotated.rotation.look()
    assert rotated.values == [("the-second-of-all-tokens", "the-first-secret")]
    rotated.secret.write_text("the-second-secret")
    await rotated.rotation.look()
    assert rotated.values[1:] == [("the-second-of-all-tokens", "the-second-secret")]


async def test_a_change_before_the_first_look_is_reported(rotated: Rotated) -> None:
    rotated.secret.write_text("the-second-secret")
    await rotated.rotation.look()
    assert rotated.values == [("the-first-of-all-tokens", "the-second-secret")]


async def test_no_setting_but_the_secrets_changes(
    rotated: Rotated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_SLOTS", "4")
    rotated.secret.write_text("the-second-secret")
    await rotated.rotation.look()
    assert rotated.reported[0].slots == 3


@pytest.mark.parametrize("content", ["", "too-short", "of-two\nlines-of-text"])
async def test_an_invalid_value_is_logged_once_and_the_value_before_stays(
    content: str, rotated: Rotated, caplog: pytest.LogCaptureFixture
) -> None:
    rotated.token.write_text(content)
    with caplog.at_level(logging.WARNING):
        await rotated.rotation.look()
        await rotated.rotation.look()
    assert rotated.values == []
    (record,) = caplog.records
    assert "INTERVIEW_HTTP_TOKEN" in record.getMessage()
    assert not content or content not in record.getMessage()
    rotated.token.write_text("the-second-of-all-tokens")
    await rotated.rotation.look()
    assert rotated.values == [("the-second-of-all-tokens", "the-first-secret")]


async def test_a_file_that_goes_and_comes_back_unchanged_changes_nothing(rotated: Rotated) -> None:
    await rotated.rotation.look()
    text = rotated.secret.read_text()
    rotated.secret.unlink()
    await rotated.rotation.look()
    rotated.secret.write_text(text)
    await rotated.rotation.look()
    assert rotated.values == []


async def test_the_secret_that_livekit_agents_puts_into_the_environment_is_no_second_value(
    rotated: Rotated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_API_SECRET", "the-first-secret")
    rotated.secret.write_text("the-second-secret")
    await rotated.rotation.look()
    assert rotated.values == [("the-first-of-all-tokens", "the-second-secret")]


async def test_no_secret_is_logged(rotated: Rotated, caplog: pytest.LogCaptureFixture) -> None:
    rotated.token.write_text("the-second-of-all-tokens")
    with caplog.at_level(logging.DEBUG):
        await rotated.rotation.look()
    assert "INTERVIEW_HTTP_TOKEN" in caplog.text
    assert "the-second" not in caplog.text


async def test_it_looks_again_and_again(rotated: Rotated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "EVERY_S", 0.0)
    changed = asyncio.Event()
    watching = SecretRotation(Settings.load(), lambda _: changed.set())
    running = asyncio.create_task(watching.run())
    rotated.secret.write_text("the-second-secret")
    async with asyncio.timeout(5):
        await changed.wait()
    await end(running)


async def test_without_files_it_ends_at_once() -> None:
    async with asyncio.timeout(1):
        await SecretRotation(Settings.load(), lambda _: None).run()


# --- with the secrets hidden from the environment -------------------------------------------------


async def test_a_secret_is_rotated_after_the_secrets_left_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then settings that are valid together only with a secret would be invalid."""
    url = tmp_path / "url"
    url.write_text("postgresql://me:first@localhost/db\n")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop("DATABASE_URL", None)
    os.environ["DATABASE_URL_FILE"] = str(url)
    os.environ["INTERVIEW_HTTP_TOKEN"] = "the-first-of-all-tokens"
    os.environ["INTERVIEW_HTTP_HOST"] = "0.0.0.0"  # noqa: S104  # not bound
    reported: list[Settings] = []
    watching = SecretRotation(Settings.load(), reported.append)
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "INTERVIEW_HTTP_TOKEN"):
        os.environ[name] = ""
    await watching.look()
    assert reported == []
    url.write_text("postgresql://me:second@localhost/db\n")
    await watching.look()
    (settings,) = reported
    assert settings.database_url.get_secret_value() == "postgresql://me:second@localhost/db"
    assert settings.http_token.get_secret_value() == "the-first-of-all-tokens"


async def test_a_url_that_is_not_one_of_postgresql_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = tmp_path / "url"
    url.write_text("postgresql://me:first@localhost/db\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(url))
    reported: list[Settings] = []
    watching = SecretRotation(Settings.load(), reported.append)
    url.write_text("mysql://me:second@localhost/db\n")
    await watching.look()
    assert reported == []
    assert "does not begin with postgresql://" in caplog.text
    assert "second" not in caplog.text
