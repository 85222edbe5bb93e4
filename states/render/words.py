"""Formats times, guards and budgets for the drawings, and cleans texts of journals."""

from __future__ import annotations

import re
from typing import Final

from states.table import Edge

#: Characters that an XML document cannot contain (https://www.w3.org/TR/xml/#charsets), that end a
#: line of another format, that UTF-8 cannot encode, or that change the direction of a text.
_UNDRAWABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def drawable(text: str) -> str:
    """Return a text of a journal, with U+FFFD for each character that no drawing can contain."""
    return _UNDRAWABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def seconds(value: float) -> str:
    """Format a budget: `10 s`, `2.5 s`, `3600 s`."""
    return f"{value:.10g} s"


def spent(value: float) -> str:
    """Format a time spent: `3 ms`, `0.31 s`, `12.4 s`, `1804 s`."""
    if value < 0.01:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.2f} s"
    return f"{value:.1f} s" if value < 1000 else f"{value:.0f} s"


def took(value: float) -> str:
    """Format the duration of a step: `<1 ms`, `3 ms`, `310 ms`, `2.30 s`, `12.4 s`."""
    if 0 < value < 0.0005:
        return "<1 ms"
    return f"{value * 1000:.0f} ms" if value < 0.9995 else spent(value)


def guard_name(edge: Edge) -> str:
    """Return the name of the edge's guard in words; empty if the edge has no guard."""
    return edge.guard.__name__.replace("_", " ") if edge.guard else ""
