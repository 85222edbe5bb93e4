"""The prepared lines of a language, and the words that find an answer to a question."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

from worker.interview.dialogue.classify.language import TABLES, Language, language
from worker.interview.dialogue.classify.topics import words_and_pairs
from worker.interview.dialogue.classify.words import words_of as words_in
from worker.interview.plan.plan import Plan
from worker.interview.plan.problems import PlanError
from worker.interview.plan.validation import PlanProblem

_PACKAGE: Final = "worker.interview.dialogue.wording"


class NoLines(LookupError):
    """Raised for a language without prepared lines. `tag` is the language tag."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        super().__init__(f"language {tag} has no prepared lines")


@dataclass(frozen=True)
class Keywords:
    """Words that stand for something, such as a fact of the plan."""

    name: str
    #: Each alternative is a sequence of groups. A text has one word or pair of words of each group.
    alternatives: tuple[tuple[frozenset[str], ...], ...]

    def fit(self, found: frozenset[str]) -> bool:
        """Return whether `found` (from `Lines.found_in`) fits an alternative."""
        return any(
            all(not group.isdisjoint(found) for group in groups) for groups in self.alternatives
        )


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The prepared lines of one language, ready to use."""

    #: The lines, by key.
    lines: Mapping[str, str]
    acknowledgements: tuple[str, ...]
    #: Answers to greetings and thanks. `other` has no keywords.
    social: Mapping[str, str]
    social_words: tuple[Keywords, ...]
    #: The keywords of each fact, in the order in which they are tried.
    facts: tuple[Keywords, ...]
    #: The words that name the question.
    question: frozenset[str]
    table: Language

    def words(self, text: str) -> tuple[str, ...]:
        """Return the normalized words of a text."""
        return tuple(word.text for word in words_in(text, self.table.spelling))

    def found_in(self, text: str) -> frozenset[str]:
        """Return the normalized words of a text, also two and three in a row joined by `_`."""
        return words_and_pairs(self.words(text))

    def content(self, text: str) -> tuple[str, ...]:
        """Return the content words of a text; all its words if it has no content word."""
        words = self.words(text)
        return tuple(word for word in words if word not in self.table.function) or words


def lines_of(tag: str) -> Lines:
    """Return the lines of a language tag such as `en-GB`. Raises `NoLines` if there are none."""
    code = _code(tag)
    if not code:
        raise NoLines(tag)
    return _lines(code)


def lines_or_none_of(tag: str) -> Lines:
    """Return the lines of a language tag; empty lines if the language has none."""
    return _lines(_code(tag)) if _code(tag) else _no_lines()


def has_lines(tag: str) -> bool:
    """Return whether the interviewer has prepared lines in the language."""
    return bool(_code(tag))


def preload_lines() -> None:
    """Load the lines and the table of the classifier of each language.

    Compiling a table takes half a second of processor time, which a job must not spend on its event
    loop. Job processes are forked from a process that has loaded the tables.
    """
    for code in TABLES:
        lines_or_none_of(code)


def require_lines(plan: Plan, source: str = "plan", line: int | None = None) -> None:
    """Raise `PlanError` if the interviewer has no prepared lines in the language of the plan.

    `source` names the plan in the message; `line` is the line of its language.
    """
    if not _code(plan.language):
        message = f"has the language {plan.language}, for which there are no prepared lines"
        raise PlanError(source, (PlanProblem(line=line, message=message),))


@cache
def _code(tag: str) -> str:
    """Return the code of a language that has lines and a table of the classifier; else ''."""
    code = tag.partition("-")[0].lower()
    known = code in TABLES and files(_PACKAGE).joinpath(_file_of(code)).is_file()
    return code if known else ""


def _file_of(code: str) -> str:
    return f"lines_{code}.toml"


@cache
def _lines(code: str) -> Lines:
    data = tomllib.loads(files(_PACKAGE).joinpath(_file_of(code)).read_text("utf-8"))
    return Lines(
        lines=data["lines"],
        acknowledgements=tuple(data["acknowledgements"]),
        social=data["social_lines"],
        social_words=_keywords(data["social_words"]),
        facts=_keywords(data["facts"]),
        question=frozenset(data["question"].split()),
        table=language(code),
    )


@cache
def _no_lines() -> Lines:
    english = _lines("en")
    return replace(
        english,
        lines=dict.fromkeys(english.lines, ""),
        acknowledgements=("",),
        social=dict.fromkeys(english.social, ""),
    )


def _keywords(table: Mapping[str, Any]) -> tuple[Keywords, ...]:
    return tuple(
        Keywords(
            name,
            tuple(
                tuple(frozenset(group.split()) for group in line.split("&"))
                for line in text.strip().splitlines()
            ),
        )
        for name, text in table.items()
    )
