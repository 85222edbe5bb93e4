"""The comparison of old data with new itself: it finds what is missing, and allows what is new."""

from __future__ import annotations

import pytest

from tests.compat.comparing import changed_values, missing_keys


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1}, {"a": 2.5, "b": 1}),
        ({"a": None}, {"a": {"b": 1}}),
        ({"a": [{"b": 1}, {"c": "x"}]}, {"a": [{"b": 2, "c": "y", "d": 0}]}),
        ([{"name": "x", "n": 1}], [{"name": "new"}, {"name": "x", "n": 3}]),
        ({"a": [1]}, {"a": []}),
    ],
)
def test_added_keys_added_rows_and_changed_values_are_no_difference(
    old: object, new: object
) -> None:
    assert list(missing_keys(old, new)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ({"a": 1}, {}, "a is missing"),
        ({"a": {"b": 1}}, {"a": {}}, "a.b is missing"),
        ({"a": 1}, {"a": "1"}, "a is text instead of a number"),
        ({"a": True}, {"a": 1}, "a is a number instead of a boolean"),
        ([{"name": "x", "n": 1}], [{"name": "x"}], "[x].n is missing"),
        ([{"name": "x"}], [{"name": "y"}], "[x] is missing"),
        ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}, "a[].b is missing"),
    ],
)
def test_a_missing_key_a_missing_row_and_another_type_are_named(
    old: object, new: object, problem: str
) -> None:
    assert list(missing_keys(old, new)) == [problem]


def test_the_keys_of_a_map_are_data_and_its_values_are_rows() -> None:
    old, new = {"by": {"x": {"n": 1}}}, {"by": {"y": {"n": 2}}}
    assert list(missing_keys(old, new, maps=["by"])) == []
    assert list(missing_keys(old, {"by": {"y": {"m": 2}}}, maps=["by"])) == ["by[].n is missing"]


def test_another_value_is_named_and_an_added_key_is_not() -> None:
    old, new = {"a": [{"b": 1}], "c": 1}, {"a": [{"b": 2, "new": 0}], "c": 1}
    assert list(changed_values(old, new)) == ["a[0].b is 2 instead of 1"]
    assert list(changed_values({"a": []}, {"a": [1]})) == ["a has 1 entries instead of 0"]
    assert list(changed_values({"a": 1}, {})) == ["a is missing"]
