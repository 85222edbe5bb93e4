"""Time spans."""

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
