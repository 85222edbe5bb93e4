"""A connection outside any pool: how a wrong configuration is reported."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import asyncpg
import pytest

from worker.store.connection import connect
from worker.store.errors import is_refusal, kind_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)


async def refused(url: str) -> asyncpg.ClientConfigurationError:
    """Return the error of a URL that is refused before any connection is opened."""
    with pytest.raises(asyncpg.ClientConfigurationError) as caught:
        await connect(url, timeout_s=5.0, application="test")
    return caught.value


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2@db:port/x", "postgresql://me@h/x?hunter2"]
)
async def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    error = await refused(url)
    assert is_refusal(error)
    assert kind_of(error) == "DATABASE_URL or a PG* variable is wrong"
    assert "hunter2" not in "".join(traceback.format_exception(error))


async def test_a_variable_that_cannot_be_read_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPORT", "hunter2")
    error = await refused("postgresql://me@127.0.0.1/x")
    assert "hunter2" not in "".join(traceback.format_exception(error))


async def test_a_service_file_that_cannot_be_read_is_refused_without_its_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "services").write_text("password=hunter2\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    error = await refused("postgresql://me@127.0.0.1:5432/x?service=interviews")
    assert "hunter2" not in "".join(traceback.format_exception(error))
