"""Compares old data with new: what was there must still be there; what is new does not matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Fields that name a row in a list of rows, the first that all rows have.
_KEYS = ("variable", "point", "check", "member", "name")


def changed_values(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Every value of `old` that is another one, or is missing, in `new`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, value in old.items():
            place = f"{where}.{key}".strip(".")
            if key in new:
                yield from changed_values(value, new[key], place)
            else:
                yield f"{place} is missing"
    elif _is_list(old) and _is_list(new):
        if len(old) != len(new):
            yield f"{where} has {len(new)} entries instead of {len(old)}"
        for number, (value, other) in enumerate(zip(old, new, strict=False)):
            yield from changed_values(value, other, f"{where}[{number}]")
    elif old != new:
        yield f"{where} is {new!r} instead of {old!r}"


def missing_keys(old: Any, new: Any, where: str = "", *, maps: Sequence[str] = ()) -> Iterator[str]:
    """Every key of `old` that `new` has not, or has with another type.

    The rows of a list are compared one by one where a field names them, and all together
    otherwise. `maps` are keys whose values have data for keys: their entries are compared as rows.
    None, and an empty list, are compatible with everything.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, value in old.items():
            place = f"{where}.{key}".strip(".")
            if key not in new:
                yield f"{place} is missing"
            elif key in maps:
                rows = list(new[key].values())
                yield from missing_keys(list(value.values()), rows, place, maps=maps)
            else:
                yield from missing_keys(value, new[key], place, maps=maps)
    elif _is_list(old) and _is_list(new):
        yield from _missing_in_rows(old, new, where, maps=maps)
    elif old is not None and new is not None and _type_of(old) != _type_of(new):
        yield f"{where} is {_type_of(new)} instead of {_type_of(old)}"


def _missing_in_rows(
    old: Sequence[Any], new: Sequence[Any], where: str, *, maps: Sequence[str]
) -> Iterator[str]:
    name = _name_of((*old, *new))
    if name is not None:
        rows = {row[name]: row for row in new}
        for row in old:
            if row[name] not in rows:
                yield f"{where}[{row[name]}] is missing"
            else:
                yield from missing_keys(row, rows[row[name]], f"{where}[{row[name]}]", maps=maps)
    elif old and new:
        yield from missing_keys(_merged(old), _merged(new), f"{where}[]", maps=maps)


def _name_of(rows: Sequence[Any]) -> str | None:
    """The field that names the rows; None where there is none."""
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        return None
    return next((key for key in _KEYS if all(key in row for row in rows)), None)


def _merged(rows: Sequence[Any]) -> Any:
    """One row with every key of the rows, and the first value that is not None."""
    if not all(isinstance(row, Mapping) for row in rows):
        return next((row for row in rows if row is not None), None)
    merged: dict[str, Any] = {}
    for row in rows:
        merged |= {key: value for key, value in row.items() if merged.get(key) is None}
    return merged


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, Mapping) else "a list"
