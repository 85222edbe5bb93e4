"""Stretches of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """In seconds."""
        return self.end_s - self.start_s

    def overlap_s(self, other: Span) -> float:
        """Seconds that it has in common with another."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))

    def longer(self, by_s: float) -> Span:
        """The same, ending so many seconds later."""
        return Span(start_s=self.start_s, end_s=self.end_s + by_s)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not overlap, in order."""
    apart: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start_s):
        if apart and span.start_s <= apart[-1].end_s:
            last = apart[-1]
            apart[-1] = Span(start_s=last.start_s, end_s=max(last.end_s, span.end_s))
        else:
            apart.append(span)
    return apart
