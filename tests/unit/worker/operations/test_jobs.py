"""The journals of this machine: which are found, and their ingestion again by a command."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import JournalError
from tests.support.virtual.job_parts import settings_in
from worker.journal.recovery import DAMAGED, SHIPPED
from worker.operations.errors import JobNotFound
from worker.operations.jobs import find_history, ingest, journal_path, kept_journals
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from worker.store.database import Database


class LostDatabase:
    """A database that becomes unavailable after the first journal was read."""

    async def fetch(self, name: str, *_: Any, **__: Any) -> None:
        raise DatabaseUnavailable(name, OSError(), "postgresql://database")


async def test_a_journal_of_another_job_is_reported_although_the_database_fails_after_it(
    tmp_path: Path,
) -> None:
    foreign, own = tmp_path / "AJ_1.jsonl", tmp_path / "AJ_2.jsonl"
    for path in (foreign, own):
        path.write_text(
            '{"v": 1, "seq": 0, "at": "x", "t": 0.0, "kind": "job", "job_id": "AJ_2"}\n'
        )
    errors: list[Exception] = []

    with pytest.raises(DatabaseUnavailable):
        await ingest(cast("Database", LostDatabase()), [foreign, own], on_error=errors.append)

    assert [isinstance(error, JournalError) for error in errors] == [True]


def test_the_journals_of_both_folders_are_found(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    journals = [settings.journal_dir / name / "AJ_1.jsonl" for name in (DAMAGED, SHIPPED)]
    for path in (*journals, settings.journal_dir / SHIPPED / "AJ_1.tmp"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert kept_journals(settings) == sorted(journals)


def test_a_machine_without_the_folders_has_no_journals(tmp_path: Path) -> None:
    assert kept_journals(settings_in(tmp_path)) == []


def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_folder(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.journal_dir.mkdir(parents=True)
    (settings.journal_dir / SHIPPED).touch()
    with pytest.raises(NotADirectoryError):
        kept_journals(settings)


class EmptyDatabase:
    """A database without rows."""

    async def fetch(self, *_: Any, **__: Any) -> list[Any]:
        return []


@asynccontextmanager
async def an_empty_database(_: object) -> AsyncIterator[Database]:
    yield cast("Database", EmptyDatabase())


async def test_an_id_that_no_file_can_have_is_an_unknown_job(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert journal_path(settings, "x" * 300) is None
    with pytest.raises(JobNotFound):
        await find_history(settings, "x" * 300, an_empty_database)
