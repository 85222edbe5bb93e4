"""Tells a word that was misheard from one that was lost.

The recogniser behind the stand-in of Deepgram is a small one: now and then it writes another word
in the place of the one that was said. That word arrived; one without anything in its place did not.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def misheard(answer: str, word: str, records: Iterable[str], others: Collection[str]) -> bool:
    """Whether one of the texts has something else in the place of `word` of the spoken answer.

    What is there must be as long as half of the piece of the answer that it stands for (one word
    is no sign of five), and must not hold one of `others`: those are of another answer.
    """
    spoken = _words(answer)
    place = spoken.index(word)
    pieces = (_in_the_place(spoken, place, _words(text)) for text in records)
    return any(piece and not set(piece) & set(others) for piece in pieces)


def _in_the_place(spoken: list[str], place: int, recorded: list[str]) -> list[str]:
    matcher = SequenceMatcher(None, spoken, recorded, autojunk=False)
    for change, begin, end, recorded_begin, recorded_end in matcher.get_opcodes():
        if begin <= place < end:
            piece = recorded[recorded_begin:recorded_end]
            return piece if change == "replace" and len(piece) * 2 >= end - begin else []
    return []


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
