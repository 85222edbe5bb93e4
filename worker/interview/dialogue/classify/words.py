"""The words of a turn, normalized, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

#: A turn with more words is read from its end only.
WHOLE_TURN_WORDS: Final = 15
#: Characters at the end of a turn that are read. A request is never longer.
READ_CHARACTERS: Final = 420

_PIECES: Final = re.compile(r"[^\W_]+(?:['’`][^\W_]+)*|[.!?…;\n]+(?=\s|$|[\"”'’)])|[,:–—]| - |[\"“”«»]")


class Edge(IntEnum):
    """What stands before a word."""

    NONE = 0
    COMMA = 1
    SENTENCE = 2


@dataclass(frozen=True)
class Word:
    """One normalized word."""

    text: str
    #: Index of its first character in the text of the turn.
    start: int
    #: What stands before it.
    edge: Edge = Edge.NONE
    #: True inside quotation marks.
    quoted: bool = False
    #: True if a question mark ends the sentence after this word.
    asks: bool = False


def words_of(
    text: str, contractions: Mapping[str, tuple[str, ...]], dropped: frozenset[str]
) -> tuple[Word, ...]:
    """Return the words at the end of the text. Fillers and repeated words are left out.

    If only fillers are there, they are returned.
    """
    offset = _begin(text)
    raw = _raw(text[offset:], offset, contractions)
    kept = [word for word in raw if word.text not in dropped]
    return tuple(_without_repeats(_with_edges(raw, kept))) if kept else tuple(raw)


def is_long(text: str) -> bool:
    """Return whether a turn has more words than are read as a whole."""
    return len(text) > READ_CHARACTERS or len(text.split()) > WHOLE_TURN_WORDS


def _begin(text: str) -> int:
    """Return the index of the first word that is read."""
    if len(text) <= READ_CHARACTERS:
        return 0
    begin = len(text) - READ_CHARACTERS
    space = text.find(" ", begin)
    return begin if space < 0 else space + 1


def _raw(text: str, offset: int, contractions: Mapping[str, tuple[str, ...]]) -> list[Word]:
    words: list[Word] = []
    edge, quoted = Edge.SENTENCE, False
    for found in _PIECES.finditer(text):
        piece = found.group()
        if piece[0].isalnum():
            plain = piece.lower().replace("’", "'").replace("`", "'")
            for part in _expanded(plain, contractions):
                words.append(Word(part, offset + found.start(), edge, quoted))
                edge = Edge.NONE
        elif piece in "\"“”«»":
            quoted = not quoted
        elif piece[0] in ".!?…;\n":
            edge = Edge.SENTENCE
            if "?" in piece and words:
                last = words[-1]
                words[-1] = Word(last.text, last.start, last.edge, last.quoted, True)
        else:
            edge = max(edge, Edge.COMMA)
    return words


def _expanded(word: str, contractions: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if word in contractions:
        return contractions[word]
    stem, mark, ending = word.rpartition("'")
    if mark and f"'{ending}" in contractions:
        return (stem, *contractions[f"'{ending}"])
    return (word.replace("'", ""),)


def _with_edges(raw: list[Word], kept: list[Word]) -> list[Word]:
    """Return the kept words with the edges and question marks of the words between them."""
    keep = {id(word) for word in kept}
    result: list[Word] = []
    edge = Edge.NONE
    for word in raw:
        edge = max(edge, word.edge)
        if id(word) in keep:
            result.append(Word(word.text, word.start, edge, word.quoted, word.asks))
            edge = Edge.NONE
        elif word.asks and result:
            last = result[-1]
            result[-1] = Word(last.text, last.start, last.edge, last.quoted, True)
    return result


def _without_repeats(words: list[Word]) -> list[Word]:
    """Return the words without those said twice, as in `can you can you`."""
    result: list[Word] = []
    for word in words:
        result.append(word)
        for size in (3, 2, 1):
            texts = [w.text for w in result[-2 * size :]]
            inner = result[-size:]
            if (
                len(texts) == 2 * size
                and texts[:size] == texts[size:]
                and all(w.edge is not Edge.SENTENCE for w in inner)
                and texts != ["no", "no"]
            ):
                first = result[-2 * size]
                del result[-size:]
                asks = inner[-1].asks
                last = result[-1]
                result[-1] = Word(last.text, last.start, last.edge, last.quoted, last.asks or asks)
                assert first is not None
                break
    return result
