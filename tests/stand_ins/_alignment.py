"""Character timing of spoken text, in the form that ElevenLabs sends with the audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Character:
    """One character and its time, in milliseconds from the context's first audio."""

    text: str
    start_ms: int
    duration_ms: int


def align(text: str, *, start_ms: float, duration_ms: float) -> list[Character]:
    """Spread a text evenly over its audio."""
    edges = [round(start_ms + duration_ms * n / len(text)) for n in range(len(text) + 1)]
    return [
        Character(text=character, start_ms=start, duration_ms=end - start)
        for character, start, end in zip(text, edges[:-1], edges[1:], strict=True)
    ]


def as_message(characters: list[Character]) -> dict[str, Any] | None:
    """Return the alignment of one message; None if it has no characters."""
    if not characters:
        return None
    return {
        "chars": [character.text for character in characters],
        "charStartTimesMs": [character.start_ms for character in characters],
        "charDurationsMs": [character.duration_ms for character in characters],
    }
