"""Ingestion of journals again, by a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from states import JournalError
from worker.operations.jobs import ingest
from worker.store.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.database import Database


class LostDatabase:
    """A database that becomes unavailable after the first journal was read."""

    async def run(self, name: str, *_: Any, **__: Any) -> None:
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
