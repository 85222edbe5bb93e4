"""Cleaning of text that a person has typed: one line of words, without control characters."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Control sequences of terminals (ECMA-48): OSC, DCS and similar strings with their content, CSI
#: sequences, and shorter ones. If such a string has no end, only the sequence at its beginning is
#: removed.
_SEQUENCES: Final = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
)
#: Format characters that words and emoji are written with: zero-width non-joiner and joiner.
_JOINERS: Final = "\u200c\u200d"
#: Unicode categories of characters that are removed: controls, format characters such as those
#: that change the direction of text, and halves of surrogate pairs.
_REMOVED: Final = frozenset({"Cc", "Cf", "Cs"})


def clean_text(text: str) -> str:
    """Return typed text as one line without control characters.

    Line breaks of every kind (also U+2028 and U+2029), tabs and repeated spaces become one space.
    Control characters (NUL among them), control sequences of terminals, and format characters,
    which are invisible or change the direction of text, are removed. Letters, punctuation and emoji
    of all languages stay. Text that is clean already is returned unchanged.
    """
    line = " ".join(text.split())
    if line.isprintable():
        return line
    # Split again, because a removed character may have stood between two spaces.
    line = "".join(filter(_is_kept, _SEQUENCES.sub("", line)))
    line = " ".join(line.split())
    return line if line.strip(_JOINERS) else ""


def _is_kept(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _REMOVED
