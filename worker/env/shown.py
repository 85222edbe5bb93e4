"""Untrusted text in error messages: on one line, printable, and of bounded length.

A value of a setting, a key of a plan or a field of an answer may have any length, and may contain
line breaks, control characters, and characters that change the direction of the text.
"""

from __future__ import annotations

from typing import Final

#: Maximum length of a word in a message, in characters, unless the caller says otherwise.
LONGEST: Final = 100


def on_one_line(text: str) -> str:
    """Return the text with each character escaped that is not printable, such as U+2028."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text, or its first `longest` characters and an ellipsis."""
    return text if len(text) <= longest else f"{text[:longest]}…"
