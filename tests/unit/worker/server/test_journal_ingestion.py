"""Attempts to ingest one journal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from states import JournalError
from worker.journal.recovery import Ingestion
from worker.server import journal_ingestion
from worker.server.journal_ingestion import Attempt, attempts
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.schema import SchemaTooNew

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.store.database import Database

pytestmark = pytest.mark.looptime

AWAY = DatabaseUnavailable("ship", OSError(), "postgresql://database")
REFUSED = DatabaseOperationFailed("ship", OSError())


class FakeDatabase:
    """A database that answers a ping, or not."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers

    async def ping(self, *, budget_s: float) -> None:
        if not self.answers:
            raise AWAY


async def try_with(
    monkeypatch: pytest.MonkeyPatch, results: Iterable[object], *, answers: bool = True
) -> tuple[Attempt, int]:
    """Return what becomes of a journal, and after how many attempts; the last result repeats."""
    rest, tried = list(results), 0

    async def ingest(*_: object, **__: object) -> Any:
        nonlocal tried
        tried += 1
        result = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(journal_ingestion, "ingest_journal", ingest)
    database = cast("Database", FakeDatabase(answers=answers))
    return await attempts(database, Path("AJ_1.jsonl"), 0), tried


@pytest.mark.parametrize(
    ("results", "attempt", "tried"),
    [
        ([Ingestion.STORED], Attempt.DONE, 1),
        ([Ingestion.GONE], Attempt.DONE, 1),
        ([Ingestion.RUNNING], Attempt.RUNNING, 1),
        ([OSError(18, "Invalid cross-device link")], Attempt.NOT_MOVED, 1),
        ([REFUSED], Attempt.REFUSED, 1),
        ([JournalError("damaged")], Attempt.REFUSED, 1),
        ([AWAY, AWAY, Ingestion.STORED], Attempt.DONE, 3),
        ([SchemaTooNew(1001, 7)] * 20 + [Ingestion.STORED], Attempt.DONE, 21),
    ],
)
async def test_an_attempt_settles_a_journal_or_is_repeated(
    monkeypatch: pytest.MonkeyPatch, results: list[object], attempt: Attempt, tried: int
) -> None:
    assert await try_with(monkeypatch, results) == (attempt, tried)


async def test_a_journal_that_fails_while_the_database_answers_does_not_delay_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The first failure is not counted: nothing shows that the database was available then.
    assert await try_with(monkeypatch, [AWAY]) == (Attempt.FAILED, 4)
    assert "although the database answers" in caplog.text


async def test_a_journal_is_tried_as_long_as_the_database_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = [AWAY] * 100 + [Ingestion.STORED]
    assert await try_with(monkeypatch, results, answers=False) == (Attempt.DONE, 101)
    assert asyncio.get_running_loop().time() > 1000
