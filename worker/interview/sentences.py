"""Sentence splitting of spoken text."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?…])\s+")


def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text, without surrounding spaces; none for an empty text."""
    return tuple(part for part in (piece.strip() for piece in _END.split(text)) if part)
