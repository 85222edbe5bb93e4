"""The database pool of a job, with the limits from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.resources.database import UrlFile, open_database
from worker.store.database import Database
from worker.store.pool import PoolLimits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row("S10")
@pytest.mark.parametrize(
    ("variables", "limits"),
    [
        ({}, PoolLimits(size=5, overflow=5, verify_after_idle_s=0.0)),
        (
            {
                "INTERVIEW_DATABASE_POOL_SIZE": "3",
                "INTERVIEW_DATABASE_POOL_OVERFLOW": "1",
                "INTERVIEW_DATABASE_VERIFY_AFTER_IDLE_S": "7",
                "INTERVIEW_DATABASE_OVERFLOW_IDLE_S": "8",
                "INTERVIEW_DATABASE_CONNECT_TIMEOUT_S": "9",
                "INTERVIEW_DATABASE_ACQUIRE_TIMEOUT_S": "10",
                "INTERVIEW_DATABASE_STATEMENT_TIMEOUT_S": "11",
            },
            PoolLimits(
                size=3,
                overflow=1,
                verify_after_idle_s=7,
                overflow_idle_s=8,
                connect_timeout_s=9,
                acquire_timeout_s=10,
                statement_timeout_s=11,
            ),
        ),
    ],
    ids=["by default", "as configured"],
)
async def test_the_pool_has_the_limits_of_the_settings(
    tmp_path: Path, variables: dict[str, str], limits: PoolLimits
) -> None:
    settings = settings_in(tmp_path, DATABASE_URL="postgresql://127.0.0.1:1/none", **variables)
    db = await open_database(settings)
    try:
        assert db.use().most == limits.size + limits.overflow
        assert db._connections._limits == limits
    finally:
        await db.aclose()


def test_the_url_of_a_file_is_read_for_each_connection(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://me:first@localhost/interviews\n")
    url = UrlFile(str(path), "postgresql://me:first@localhost/interviews", tls="verify-full")
    assert url() == "postgresql://me:first@localhost/interviews"
    path.write_text("postgresql://me:second@localhost/interviews\n")
    assert url() == "postgresql://me:second@localhost/interviews"


@pytest.mark.parametrize("content", ["", "no URL", "postgresql://me:a@db:port/x", "a\nb"])
def test_the_last_valid_url_is_used_while_the_file_has_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://me:second@localhost/interviews\n")
    url = UrlFile(str(path), "postgresql://me:first@localhost/interviews", tls="verify-full")
    assert url() == "postgresql://me:second@localhost/interviews"
    path.write_text(content)
    assert url() == "postgresql://me:second@localhost/interviews"
    path.unlink()
    assert url() == "postgresql://me:second@localhost/interviews"


@pytest.mark.parametrize("from_file", [True, False])
async def test_only_a_url_from_a_file_is_read_again(
    from_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    async def opened(_url: str, _limits: PoolLimits, url_again: object) -> None:
        given.append(url_again)

    (tmp_path / "url").write_text("postgresql://db/interviews\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    if from_file:
        monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    else:
        monkeypatch.setenv("DATABASE_URL", "postgresql://db/interviews")
    monkeypatch.setattr(Database, "open", opened)
    await open_database(settings_in(tmp_path))
    assert [isinstance(each, UrlFile) for each in given] == [from_file]
