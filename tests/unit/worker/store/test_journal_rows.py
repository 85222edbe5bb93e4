from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.store.journal_rows import RecordInvalid, json_text, record_row, spoken_text, storable

GOOD = {"v": 1, "seq": 3, "at": "2026-03-01T10:00:00+00:00", "t": 1.5, "kind": "step"}


def test_a_record_becomes_a_row() -> None:
    row = record_row(GOOD | {"name": "load"})
    assert (row.seq, row.t, row.kind) == (3, 1.5, "step")
    assert row.at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert row.record["name"] == "load"


@pytest.mark.parametrize("at", ["2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00"])
def test_times_of_any_time_zone_become_utc(at: str) -> None:
    assert record_row(GOOD | {"at": at}).at == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seq": None}, "seq"),
        ({"seq": -1}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": 2**63}, "seq"),
        ({"t": "now"}, "t"),
        ({"t": 10**400}, "t"),
        ({"t": 1e300}, "t"),
        ({"kind": ""}, "kind"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-03-01T10:00:00"}, "at"),
        ({"kind": "turn", "speaker": "narrator"}, "speaker"),
        ({"kind": "exit", "exit_code": "zero"}, "exit_code"),
        ({"kind": "exit", "signal": 2**40}, "signal"),
    ],
)
def test_an_invalid_record_is_refused_with_the_name_of_its_field(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(RecordInvalid) as caught:
        record_row(GOOD | change)
    assert caught.value.field == field


def test_a_record_that_is_no_object_is_refused() -> None:
    with pytest.raises(RecordInvalid):
        record_row(["seq", 1])


def test_a_record_that_is_nested_too_deeply_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(RecordInvalid) as caught:
        record_row(GOOD | {"name": nested})
    assert caught.value.field == "form"


def test_values_that_postgresql_cannot_store_are_replaced() -> None:
    value = {"a\0": ["x\ud800y", float("nan"), float("inf"), None, True, 7]}
    assert storable(value) == {
        "a\N{REPLACEMENT CHARACTER}": ["x\N{REPLACEMENT CHARACTER}y", None, None, None, True, 7]
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_storable_data_is_strict_json_and_does_not_change_again(value: object) -> None:
    clean = storable(value)
    assert json.loads(json_text(clean)) == clean
    assert storable(clean) == clean


def test_the_text_of_an_interviewer_turn_is_the_heard_text() -> None:
    turn = {"speaker": "interviewer", "text": "One two three.", "heard": "One two"}
    assert spoken_text(turn) == "One two"
    assert spoken_text(turn | {"heard": "", "interrupted": True}) == ""
    assert spoken_text(turn | {"heard": None}) == "One two three."
    assert spoken_text({"speaker": "candidate", "text": "Yes.", "heard": "No."}) == "Yes."


def test_the_text_of_a_turn_shown_without_audio_is_the_whole_text() -> None:
    turn = {"speaker": "interviewer", "text": "One two three.", "heard": "", "interrupted": False}
    assert spoken_text(turn) == "One two three."
