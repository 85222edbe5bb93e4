"""The normalized words of a turn, each with its position in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

#: Characters at the end of a turn that are read. A request is never longer.
READ_CHARACTERS: Final = 480
#: Words of the longest spelling that is replaced.
_LONGEST_SPELLING: Final = 4

_PIECES: Final = re.compile(
    "[^\\W_]+(?:['\u2019`][^\\W_]+)*"  # a word
    "|[.!?\u2026;\n]+(?=\\s|$|[\"\u201d'\u2019)])"  # the end of a sentence
    "|[,:\u2013\u2014]| - "  # a comma, a colon, a dash
    '|["\u201c\u201d\u00ab\u00bb]'  # a quotation mark
)


class Edge(IntEnum):
    """The boundary before a word."""

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


@dataclass(frozen=True)
class Spelling:
    """How the words of a language are normalized."""

    #: Words and endings (such as 's) that stand for several words.
    contractions: Mapping[str, tuple[str, ...]]
    #: Words in a row that are replaced, by others or by none.
    replaced: Mapping[tuple[str, ...], tuple[str, ...]]
    #: Words without a meaning.
    dropped: frozenset[str]


def words_of(text: str, spelling: Spelling) -> tuple[Word, ...]:
    """Return the normalized words of the text, without fillers and repetitions.

    Of a long text, only the end is read. If all words are fillers, the fillers are returned.
    """
    offset = _begin(text)
    raw = _replaced(_raw(text[offset:], offset, spelling.contractions), spelling.replaced)
    kept = _without(raw, spelling.dropped)
    return tuple(_without_repeats(kept) if kept else raw)


def is_cut(text: str) -> bool:
    """Return whether the text is so long that only its end is read."""
    return len(text) > READ_CHARACTERS


def _begin(text: str) -> int:
    """Return the index in the text of the first character that is read."""
    if not is_cut(text):
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
            plain = piece.lower().replace("\u2019", "'").replace("`", "'")
            for part in _expanded(plain, contractions):
                words.append(Word(part, offset + found.start(), edge, quoted))
                edge = Edge.NONE
        elif piece in '"“”«»':
            quoted = not quoted
        elif piece[0] in ".!?…;\n":
            edge = Edge.SENTENCE
            if "?" in piece and words:
                words[-1] = replace(words[-1], asks=True)
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


def _replaced(
    words: list[Word], spellings: Mapping[tuple[str, ...], tuple[str, ...]]
) -> list[Word]:
    """Replace words by the spellings of the table, the longest matching sequence of words first."""
    result: list[Word] = []
    at = 0
    texts = [word.text for word in words]
    pending = Edge.NONE
    while at < len(words):
        size = next(
            (s for s in range(_LONGEST_SPELLING, 0, -1) if tuple(texts[at : at + s]) in spellings),
            0,
        )
        new = spellings[tuple(texts[at : at + size])] if size else (texts[at],)
        old = words[at : at + max(size, 1)]
        edge = max(pending, old[0].edge)
        pending = Edge.NONE if new else edge
        made = [Word(text, old[0].start, Edge.NONE, old[0].quoted) for text in new]
        result += made
        if made:
            result[-len(made)] = replace(made[0], edge=edge)
        if result and old[-1].asks:
            result[-1] = replace(result[-1], asks=True)
        at += len(old)
    return result


def _without(words: Sequence[Word], dropped: frozenset[str]) -> list[Word]:
    """Return the words without `dropped`.

    The boundary and the question mark of a dropped word move to a neighbouring word.
    """
    result: list[Word] = []
    edge, start = Edge.NONE, -1
    for word in words:
        if start < 0 and word.edge is not Edge.NONE:
            start = word.start  # a dropped word after a mark belongs to what follows
        edge = max(edge, word.edge)
        if word.text not in dropped:
            result.append(replace(word, edge=edge, start=start if start >= 0 else word.start))
            edge, start = Edge.NONE, -1
        elif word.asks and result:
            result[-1] = replace(result[-1], asks=True)
    return result


def _without_repeats(words: list[Word]) -> list[Word]:
    """Return the words without immediate repetitions, as in `can you can you`."""
    result: list[Word] = []
    for word in words:
        result.append(word)
        for size in (4, 3, 2, 1):
            texts = [each.text for each in result[-2 * size :]]
            again = result[-size:]
            whole = again[0].edge is Edge.SENTENCE and size < 3
            if len(texts) == 2 * size and texts[:size] == texts[size:] and not whole:
                del result[-size:]
                result[-1] = replace(result[-1], asks=result[-1].asks or again[-1].asks)
                break
    return result
