"""Records that the database refuses for good: found by halves, and left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from worker.journal.refusals import (
    NAMED,
    RecordsRefused,
    RefusedRecord,
    is_refused,
    store_all_but_refused,
)
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.jobs import Shipped
from worker.store.schema import SchemaTooNew

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REFUSED = DatabaseOperationFailed("ship", asyncpg.DataError("with a word of the candidate"))
FORBIDDEN = DatabaseOperationFailed("ship", asyncpg.InsufficientPrivilegeError("no"))
AWAY = DatabaseUnavailable("ship", OSError(), "postgresql://database")


class Table:
    """Stores batches of records; refuses each batch that has a record of `bad`."""

    def __init__(self, bad: Sequence[int] = (), error: Exception = REFUSED) -> None:
        self.bad = set(bad)
        self.error = error
        self.seqs: list[int] = []
        self.attempts = 0

    async def store(self, records: Sequence[Mapping[str, Any]]) -> Shipped:
        self.attempts += 1
        seqs = [record["seq"] for record in records]
        if self.bad & set(seqs):
            raise self.error
        self.seqs += seqs
        return Shipped(written=len(seqs), repeated=0, refused=())


def records(number: int) -> list[dict[str, Any]]:
    return [{"seq": seq, "kind": "turn", "text": "My words."} for seq in range(number)]


async def test_records_that_the_database_accepts_are_one_batch() -> None:
    table = Table()
    stored = await store_all_but_refused(table.store, records(500))
    assert (stored.written, stored.refused, table.attempts) == (500, (), 1)


@pytest.mark.parametrize("bad", [[0], [499], [250], [7, 8, 300]])
async def test_all_but_the_refused_records_are_stored_in_their_order(bad: list[int]) -> None:
    table = Table(bad)
    stored = await store_all_but_refused(table.store, records(500))
    assert [each.seq for each in stored.refused] == bad
    assert stored.written == 500 - len(bad)
    assert table.seqs == [seq for seq in range(500) if seq not in bad]
    assert table.attempts <= 3 + 20 * len(bad)


async def test_a_record_of_which_no_statement_can_be_made_is_refused_as_well() -> None:
    table = Table([3], ValueError("My words."))
    stored = await store_all_but_refused(table.store, records(5))
    (refused,) = stored.refused
    assert (refused.seq, refused.problem) == (3, "ValueError")


async def test_a_record_with_an_invalid_field_counts_as_refused() -> None:
    async def store(_: object) -> Shipped:
        return Shipped(written=4, repeated=0, refused=((2, "at"),))

    (refused,) = (await store_all_but_refused(store, records(5))).refused
    assert (refused.seq, refused.problem) == (2, "its at is missing or wrong")


async def test_a_database_that_refuses_everything_blames_no_record() -> None:
    attempts: list[int] = []

    async def store(batch: Sequence[Mapping[str, Any]]) -> Shipped:
        attempts.append(len(batch))
        raise REFUSED

    with pytest.raises(DatabaseOperationFailed):
        await store_all_but_refused(store, records(500))
    assert attempts == [500, 0]


@pytest.mark.parametrize("number", [1, 2, 7, 500])
async def test_a_database_that_refuses_every_record_blames_none(number: int) -> None:
    """As with a constraint that no record fulfils: a person repairs it, nothing is put aside."""
    table = Table(range(number))
    with pytest.raises(DatabaseOperationFailed):
        await store_all_but_refused(table.store, records(number))
    assert table.attempts < 250


@pytest.mark.parametrize(
    "error", [AWAY, SchemaTooNew(2001, 1001), FORBIDDEN], ids=["away", "too new", "forbidden"]
)
async def test_a_cause_that_lies_outside_the_records_refuses_none(error: Exception) -> None:
    table = Table([3], error)
    assert not is_refused(error)
    with pytest.raises(type(error)):
        await store_all_but_refused(table.store, records(5))
    assert table.attempts == 1


async def test_a_database_that_goes_away_meanwhile_is_reported() -> None:
    table = Table([3])

    async def store(batch: Sequence[Mapping[str, Any]]) -> Shipped:
        if len(batch) == 2:
            raise AWAY
        return await table.store(batch)

    with pytest.raises(DatabaseUnavailable):
        await store_all_but_refused(store, records(8))


def test_an_error_names_the_first_refused_records_without_their_words() -> None:
    refused = [RefusedRecord(record=each, problem="refused: DataError") for each in records(25)]
    error = RecordsRefused("AJ_1", written=3, refused=refused)
    assert error.seqs == list(range(NAMED))
    assert str(error).startswith("the database refused 25 records of job AJ_1 (seq 0, 1, 2, ")
    assert "19, ...)" in str(error)
    assert "words" not in str(error)
