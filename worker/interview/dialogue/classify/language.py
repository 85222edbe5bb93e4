"""The table of a language: its spellings, its patterns, its topics, and its lists of words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.automaton import Automaton
from worker.interview.dialogue.classify.topics import Topic, topics
from worker.interview.dialogue.classify.words import Spelling

#: The file of each language.
TABLES: Final = {"en": "english.toml"}


@dataclass(frozen=True)
class Label:
    """The meaning of a pattern: its act, and where the pattern may match."""

    #: The id that is stored as `act_by`.
    id: str
    #: The act; None for words of courtesy, which say nothing by themselves.
    act: Act | None
    #: The only phase in which the pattern holds; empty for every phase.
    phase: str = ""
    #: True if the pattern holds only for a whole turn.
    alone: bool = False
    #: True if any words fill places of the pattern.
    open: bool = False


@dataclass(frozen=True)
class Language:
    """The table of one language, ready to use."""

    spelling: Spelling
    automaton: Automaton
    labels: tuple[Label, ...]
    topics: tuple[Topic, ...]
    #: Words and pairs of words of a wish.
    wishes: frozenset[str]
    #: Words that may stand between the parts of a request.
    light: frozenset[str]
    #: Words that are no content words.
    function: frozenset[str]
    #: Words of a past tense or of a third person.
    tells: frozenset[str]
    #: Words after which something is quoted or reported.
    reports: frozenset[str]
    #: Words that stand near a quotation without a mark of their own.
    narrators: frozenset[str]
    #: Persons in a story, whose words may be quoted.
    speakers: frozenset[str]
    #: Words that begin a sentence after an answer, so that a request may follow.
    breaks: frozenset[str]
    #: Words near the beginning of a request that ends something, after an answer.
    addresses: frozenset[str]
    #: Words and pairs of words that address the interviewer.
    calls: frozenset[str]
    #: Pairs of words that stand in a question alone.
    inverted: frozenset[str]
    #: Words and pairs of words of a complaint about how fast or loud the interviewer speaks.
    complaints: frozenset[str]
    #: Pairs of words for what happens on a bad line.
    line_events: frozenset[str]
    #: Words and pairs of words with which a request begins.
    openers: frozenset[str]
    #: The openers that ask the interviewer for something without doubt.
    requests: frozenset[str]
    #: Words with which an apology begins.
    apologies: frozenset[str]
    #: Words that begin a statement about something that was said before.
    refers: frozenset[str]
    #: Pairs of words that end an answer.
    ends: frozenset[str]
    #: Words of the candidate's own answer.
    first_person: frozenset[str]
    #: Words before a question that say that the candidate asks it.
    asking: frozenset[str]
    #: Words that begin a condition or a time.
    conditions: frozenset[str]
    #: Words after a quotation, as in `is it safe is the first thing I ask`.
    subjects_of_words: frozenset[str]
    #: Pairs of words that stand in a statement, as in `my strength is that`, or in a question.
    copulas: frozenset[str]
    #: Words and pairs of words of a question whether an answer was what was asked.
    confirms: frozenset[str]
    #: Pairs of words after which the candidate quotes a question.
    quotes: frozenset[str]
    #: Words with which a clause begins.
    joins: frozenset[str]
    #: Words that begin a reason.
    reasons: frozenset[str]
    #: Words that join what follows to what stands before.
    links: frozenset[str]
    #: Words with which a short question for an explanation does not begin.
    unsure: frozenset[str]
    #: Words that a short question for an explanation does not have.
    own: frozenset[str]
    #: Words that stand before the subject of a question.
    inverts: frozenset[str]
    #: The subjects of a question to the interviewer.
    subjects: frozenset[str]
    #: Words with which a question for a fact begins.
    question_words: frozenset[str]
    #: Words with which a question begins to which the answer is yes or no.
    yes_or_no: frozenset[str]
    #: Persons other than the candidate.
    others: frozenset[str]
    #: Words of a question that asks for what the candidate would say.
    role_play: frozenset[str]

    def tells_a_story(self, word: str) -> bool:
        """Return whether the word has a form typical of a story: past tense or third person."""
        return word in self.tells or (word.endswith("ed") and len(word) > 4)


@cache
def language(code: str) -> Language:
    """Return the table of a language. Raises KeyError if the language has no table."""
    text = files("worker.interview.dialogue.classify").joinpath(TABLES[code]).read_text("utf-8")
    table = tomllib.loads(text)
    lines = list(_patterns(table))
    words = {name: frozenset(value.split()) for name, value in table["words"].items()}
    dropped = words.pop("dropped")
    return Language(
        spelling=Spelling(
            contractions={k: tuple(v.split()) for k, v in table["contractions"].items()},
            replaced={tuple(k.split()): tuple(v.split()) for k, v in table["spellings"].items()},
            dropped=dropped,
        ),
        automaton=Automaton(((text, label.open) for text, label in lines), table["macros"]),
        labels=tuple(label for _, label in lines),
        topics=tuple(topics(table["topics"])),
        **words,
    )


def _patterns(table: Mapping[str, Any]) -> Iterator[tuple[str, Label]]:
    """Yield the patterns with their labels. Patterns for only one phase come first."""
    for phase, acts in table["only"].items():
        for act, groups in acts.items():
            for name, text in groups.items():
                yield from _lines(text, f"{phase}.{act}.{name}", Act(act), phase=phase)
    for act, groups in table["acts"].items():
        for name, text in groups.items():
            yield from _lines(text, f"{act}.{name}", Act(act))
    for act, groups in table["alone"].items():
        for name, text in groups.items():
            yield from _lines(text, f"{act}.alone.{name}", Act(act), alone=True)
    for name, text in table["courtesy"].items():
        yield from _lines(text, name, None)


def _lines(
    text: str, name: str, act: Act | None, *, phase: str = "", alone: bool = False
) -> Iterator[tuple[str, Label]]:
    for line in text.strip().splitlines():
        pattern = line.strip()
        if pattern:
            yield pattern, Label(name, act, phase, alone)
        if "*" in pattern:
            yield pattern, Label(name, act, phase, alone, open=True)
