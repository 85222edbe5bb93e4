"""Finds sequences of patterns that match the words from an index to the end of a turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.language import Label, Language
from worker.interview.dialogue.classify.words import Edge, Word

#: What the parts of a cover cost. A pattern with places for any words costs
#: more, and a question about the question most.
_REQUEST, _COURTESY, _OPEN, _CLARIFY = 10, 11, 19, 14
_LIGHT, _FUNCTION, _CONTENT = 1, 40, 130
#: Content words besides a request that make the turn an answer.
MOST_CONTENT: Final = 3


@dataclass(frozen=True)
class Found:
    """A request that a pattern matched, with the index of its first word."""

    label: Label
    first: int


@dataclass(frozen=True)
class Cover:
    """A sequence of pattern matches for the words from one index to the end of a turn."""

    cost: int
    found: tuple[Found, ...] = ()
    #: Content words that no pattern spans.
    content: int = 0
    #: True if one of the words that no pattern spans tells a story, or is quoted.
    tells: bool = False


def covers(
    words: Sequence[Word],
    language: Language,
    allowed: Callable[[Label], bool],
    *,
    gaps: bool,
) -> list[Cover | None]:
    """Return, for each index, the cheapest cover of the words from the index to the end.

    Without `gaps`, a cover leaves no words unmatched except for light words such as `so`; the
    element is None if there is no such cover. The last element is the empty cover after the last
    word.
    """
    texts = [word.text for word in words]
    best: list[Cover | None] = [None] * len(words) + [Cover(0)]
    for start in range(len(words) - 1, -1, -1):
        choices = _segments(words, texts, start, best, language, allowed)
        rest = best[start + 1]
        if rest is not None:
            choices += _single(words[start], rest, language, gaps=gaps)
        best[start] = min(choices, key=lambda cover: cover.cost, default=None)
    return best


def _segments(
    words: Sequence[Word],
    texts: list[str],
    start: int,
    best: list[Cover | None],
    language: Language,
    allowed: Callable[[Label], bool],
) -> list[Cover]:
    covers: list[Cover] = []
    for end, numbers in language.automaton.ends(texts, start):
        rest = best[end]
        if rest is None or any(word.quoted for word in words[start:end]):
            continue
        for label in (language.labels[number] for number in numbers):
            if not allowed(label) or (label.alone and not _is_whole(words, start, end, language)):
                continue
            if label.open and _is_a_story(label, words[start:end], language):
                continue
            if label.act is None:
                cost, found = rest.cost + _COURTESY, rest.found
            else:
                more = _OPEN if label.open else _REQUEST
                more += _CLARIFY if label.act is Act.CLARIFY else 0
                cost, found = rest.cost + more, (Found(label, start), *rest.found)
            covers.append(replace(rest, cost=cost, found=found))
    return covers


def _is_a_story(label: Label, words: Sequence[Word], language: Language) -> bool:
    """Return whether words that a wildcard pattern matches are two sentences or reported speech."""
    if any(word.edge is Edge.SENTENCE for word in words[1:]):
        return True
    return label.act is not Act.GO_BACK and any(word.text in language.reports for word in words)


def _is_whole(words: Sequence[Word], start: int, end: int, language: Language) -> bool:
    around = (*words[:start], *words[end:])
    return all(word.text in language.light for word in around)


def _single(word: Word, rest: Cover, language: Language, *, gaps: bool) -> list[Cover]:
    """Return the cover that adds the word to `rest` without a pattern; empty if not allowed."""
    text = word.text
    if text in language.light and not word.quoted:
        return [replace(rest, cost=rest.cost + _LIGHT)]
    if not gaps:
        return []
    tells = rest.tells or word.quoted or language.tells_a_story(text)
    if text in language.function:
        return [replace(rest, cost=rest.cost + _FUNCTION, tells=tells)]
    return [replace(rest, cost=rest.cost + _CONTENT, content=rest.content + 1, tells=tells)]


def sentence_starts(words: Sequence[Word]) -> list[int]:
    """Return the indexes of the words that begin a sentence."""
    return [i for i, word in enumerate(words) if i == 0 or word.edge is Edge.SENTENCE]
