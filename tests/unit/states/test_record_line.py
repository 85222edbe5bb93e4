"""Records with values that JSON or UTF-8 cannot hold."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from states import Event, FileJournal, JournalError, Lifecycle, MemoryJournal, State
from states._record_line import encoded
from states.journal import read_records
from tests.support.examples import examples

HALF_A_PAIR = "\ud83d"
LOOP: list[Any] = []
LOOP.append(LOOP)


class Unreadable:
    """An object whose attributes and methods all raise an error."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (f"a{HALF_A_PAIR}b", "a\N{REPLACEMENT CHARACTER}b"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        (float("nan"), None),
        ([1.0, float("inf")], [1.0, None]),
        (10**5000, None),
        (b"a\xff", "a\N{REPLACEMENT CHARACTER}"),
        (Path("/data"), "/data"),
        (Decimal("1.5"), "1.5"),
        (frozenset({3}), [3]),
        ({("a", "b"): 1, HALF_A_PAIR: 2}, {"('a', 'b')": 1, "\N{REPLACEMENT CHARACTER}": 2}),
        (LOOP, ["list"]),
        (Unreadable(), "Unreadable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_json_cannot_hold_is_replaced_and_named(
    tmp_path: Path, value: Any, stored: Any, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FileJournal(tmp_path / "j.jsonl")
    journal.append("step", 0.0, name="first")
    journal.append("fault", 1.0, where="here", detail=value)
    journal.append("step", 2.0, name="last")
    journal.close()

    records = read_records(journal.path).records
    assert records == journal.records
    assert [record["seq"] for record in records] == [0, 1, 2]
    assert records[1]["detail"] == stored
    assert records[1]["replaced"] == ["detail"]
    assert "values of a fault record could not be stored and were replaced: detail" in caplog.text


def test_a_value_nested_too_deeply_is_cut_off(tmp_path: Path) -> None:
    nested: Any = "inside"
    for _ in range(100_000):
        nested = [nested]
    journal = FileJournal(tmp_path / "j.jsonl")
    assert journal.append("fault", 0.0, detail=nested)["replaced"] == ["detail"]
    journal.close()
    assert read_records(journal.path).records == journal.records
    while isinstance(nested, list):  # to free it at once would need as many stack frames
        nested = nested[0]


def test_a_time_that_is_no_number_does_not_make_the_record_invalid(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j.jsonl")
    journal.append("step", float("nan"), name="connect")
    journal.close()
    (record,) = read_records(journal.path).records
    assert (record["t"], record["replaced"]) == (0.0, ["t"])


def test_a_field_with_the_name_of_a_basic_field_does_not_replace_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = MemoryJournal(next_seq=4)
    own = {"seq": "mine", "kind": "mine", "t": "mine", "v": 9, "replaced": "mine", "pid": 7}
    record = journal.append("job", 0.5, **own)
    assert (record["seq"], record["kind"], record["t"], record["pid"]) == (4, "job", 0.5, 7)
    assert record["replaced"] == ["seq", "kind", "t", "v", "replaced"]
    assert caplog.records[-1].levelno == logging.ERROR


def test_a_record_that_json_can_hold_is_unchanged() -> None:
    record = {"kind": "turn", "text": "naïve \x00 🎤", "latency": {"llm": 0.25}, "heard": None}
    same, line = encoded(record)
    assert same is record
    assert json.loads(line) == record


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.datetimes()
    | st.uuids()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=5,
)


@given(fields=st.dictionaries(st.text(st.characters(codec=None), max_size=5), ODD, max_size=3))
@settings(max_examples=examples(60))
def test_every_record_becomes_one_line_of_json(fields: dict[str, Any]) -> None:
    journal = MemoryJournal()
    record = journal.append("job", 0.0, **fields)
    line = encoded(record)[1]
    assert line.count(b"\n") == 1
    again = json.loads(line)
    assert (again["seq"], again["kind"], again["t"]) == (0, "job", 0.0)


@pytest.mark.looptime
async def test_a_header_that_json_cannot_hold_keeps_no_job_from_its_end(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j.jsonl")
    header = {"job_id": "AJ_1", "tenant": uuid.UUID(int=7), "name": HALF_A_PAIR}
    async with Lifecycle(journal=journal, header=header) as life:
        await life.fire(Event.HANDSHAKE_FAILED)
        await life.fire(Event.CLOSED)
        assert life.state is State.CLOSED
    journal.close()
    records = read_records(journal.path).records
    assert records[0]["replaced"] == ["tenant", "name"]
    assert records[-1]["to"] == State.CLOSED


def test_a_disk_error_is_still_a_journal_error(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j.jsonl")
    journal.close()
    with pytest.raises(JournalError):
        journal.append("step", 0.0, name=HALF_A_PAIR)
