"""Sentences of spoken text."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?…])\s+")


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, without the spaces between them; none of an empty one."""
    return tuple(part for part in (piece.strip() for piece in _END.split(text)) if part)
