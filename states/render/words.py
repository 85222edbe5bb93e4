"""Formats times, guards and budgets for the drawings."""

from __future__ import annotations

from states.table import Edge


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
