"""What a turn of the candidate refers to: a question that it names, the points that it covers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Final

from worker.interview.dialogue.classify.words import READ_CHARACTERS
from worker.interview.dialogue.wording.facts import alike
from worker.interview.dialogue.wording.lines import Lines
from worker.interview.plan.question import Question

#: Number of words after an ordinal in which the word `question` or the like stands.
_NOUN_WITHIN: Final = 2
#: Least number of a point's content words that an answer has if it covers the point; a point with
#: fewer content words needs all of them.
_LEAST_SHARED: Final = 2


def question_named(text: str, questions: Sequence[Question], lines: Lines) -> str:
    """Return the id of the question that a turn names; empty if it names none for certain.

    A turn names a question by its number, such as "the second question", or by content words that
    no other question of `questions` shares as many of.
    """
    words = lines.words(text)
    number = _number_in(words, lines)
    if number:
        return questions[number - 1].id if number <= len(questions) else ""
    said = [word for word in lines.content(text) if word not in lines.table.going_back]
    shared = [_shared(lines.content(each.text), said) for each in questions]
    most = max(shared, default=0)
    return questions[shared.index(most)].id if most and shared.count(most) == 1 else ""


def points_covered(text: str, question: Question, lines: Lines) -> tuple[str, ...]:
    """Return the ids of the question's points that an answer covers.

    An answer covers a point if it has half of the content words of the point's text, and two of
    them at least. An answer that says the same in other words does not cover the point.
    """
    said: list[str] = []
    for part in textwrap.wrap(text, READ_CHARACTERS) if question.points else ():
        said += lines.words(part)
    return tuple(point.id for point in question.points if _covers(said, point.text, lines))


def _covers(said: Sequence[str], point: str, lines: Lines) -> bool:
    content = tuple(dict.fromkeys(lines.content(point)))
    needed = min(len(content), max(_LEAST_SHARED, math.ceil(len(content) / 2)))
    return bool(content) and _shared(content, said) >= needed


def _number_in(words: Sequence[str], lines: Lines) -> int:
    """Return the number of the question that the words name, counted from 1; 0 for none."""
    table = lines.table
    for at, word in enumerate(words):
        after = words[at + 1 : at + 1 + _NOUN_WITHIN]
        if word in table.ordinals and not table.nouns.isdisjoint(after):
            return table.ordinals.index(word) + 1
    return 0


def _shared(content: Sequence[str], said: Sequence[str]) -> int:
    """Return how many of the content words were said."""
    return sum(any(alike(word, each) for each in said) for word in set(content))
