"""Time spans, and the spans of what was unavailable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time span."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """The length in seconds."""
        return self.end_s - self.start_s

    def overlap_s(self, other: Span) -> float:
        """Return the overlap with another span, in seconds."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))

    def longer(self, by_s: float) -> Span:
        """Return a span that ends `by_s` seconds later."""
        return Span(start_s=self.start_s, end_s=self.end_s + by_s)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Merge overlapping spans; return the result in order."""
    apart: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start_s):
        if apart and span.start_s <= apart[-1].end_s:
            last = apart[-1]
            apart[-1] = Span(start_s=last.start_s, end_s=max(last.end_s, span.end_s))
        else:
            apart.append(span)
    return apart


def common(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return the times that are in a span of each of two collections, in order."""
    return [
        Span(start_s=max(one.start_s, other.start_s), end_s=min(one.end_s, other.end_s))
        for one in merged(some)
        for other in merged(others)
        if one.overlap_s(other) > 0
    ]


def without(span: Span, others: Iterable[Span]) -> list[Span]:
    """Return the parts of a span that are in none of the others, in order."""
    parts = []
    at_s = span.start_s
    for other in merged(others):
        if other.start_s > at_s:
            parts.append(Span(start_s=at_s, end_s=min(other.start_s, span.end_s)))
        at_s = max(at_s, other.end_s)
        if at_s >= span.end_s:
            return parts
    return [*parts, Span(start_s=at_s, end_s=span.end_s)]


class Lapses:
    """The times in which something was unavailable, from observations that follow each other."""

    def __init__(self) -> None:
        self._over: list[Span] = []
        #: Start of the first failed observation since the last successful one.
        self._since_s: float | None = None
        self._seen_s = 0.0

    def observe(self, *, available: bool, start_s: float, end_s: float) -> None:
        """Add an observation that took from `start_s` to `end_s`, in seconds since the epoch.

        A lapse lasts from the start of a failed observation to the end of the next successful one:
        the time for which availability is not proven, without the time before the failure.
        """
        self._seen_s = end_s
        if not available:
            self._since_s = start_s if self._since_s is None else self._since_s
        elif self._since_s is not None:
            self._over.append(Span(start_s=self._since_s, end_s=end_s))
            self._since_s = None

    @property
    def spans(self) -> list[Span]:
        """The lapses so far; an open one lasts until the end of the last observation."""
        if self._since_s is None:
            return list(self._over)
        return [*self._over, Span(start_s=self._since_s, end_s=self._seen_s)]
