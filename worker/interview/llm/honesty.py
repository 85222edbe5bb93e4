"""Checks that a language model states nothing about itself, the interview or the result.

A list of forbidden words alone is not enough: a candidate can say any words, and a model that
obeys the candidate then says these words. Therefore the checks are about the form of a statement.
The interviewer may speak of itself only in a few phrases, such as "I see". Words that could be
about the interview are allowed only in what the candidate did, such as "you recorded the calls".
What an answer was about is said of the candidate or in the past tense. All functions are pure.
"""

from __future__ import annotations

from worker.interview.llm.honesty_en import Honesty
from worker.interview.llm.words import words_of


def speaks_of_itself(sentence: str, rules: Honesty) -> bool:
    """Return whether the interviewer speaks of itself in other words than the allowed phrases."""
    return rules.first_person.search(rules.polite.sub(" ", _plain(sentence, rules))) is not None


def speaks_of_interview(sentence: str, rules: Honesty) -> bool:
    """Return whether a part of the sentence could be about the interview or who holds it."""
    return any(
        rules.interview.search(rules.terms.sub(" ", part))
        and (rules.here.search(part) or not rules.candidate_did.search(part))
        for part in _parts(sentence, rules)
    )


def answers_candidate(sentence: str, rules: Honesty) -> bool:
    """Return whether the sentence answers a question or request, such as "Yes, of course."

    Only facts of the plan answer the candidate, and the dialogue says them.
    """
    return rules.agreeing.search(_plain(sentence, rules)) is not None


def is_not_of_answer(sentence: str, rules: Honesty, known: frozenset[str]) -> bool:
    """Return whether a statement could be about something else than the answer.

    A statement with no content words but `known` is kindness, and is allowed.
    """
    plain = _plain(sentence, rules)
    left = rules.polite.sub(" ", plain)
    if not [word for word in left.split() if len(word) > 2 and word not in known]:
        return False
    about = (
        rules.candidate.search(left),
        rules.past.search(left),
        rules.leading_over.search(plain),
    )
    return not any(about) or rules.present.search(left) is not None


def is_neutral_probe(question: str, rules: Honesty, known: frozenset[str]) -> bool:
    """Return whether a question asks for more about any answer, such as for an example."""
    words = [word for word in _plain(question, rules).split() if len(word) > 2]
    content = [word for word in words if word not in known]
    return bool(content) and all(word in rules.probing for word in content)


def _parts(sentence: str, rules: Honesty) -> list[str]:
    plain = (rules.polite.sub(" ", _plain(part, rules)) for part in rules.marks.split(sentence))
    return [
        part for text in plain for piece in rules.joints.split(text) if (part := _spaced(piece))
    ]


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _plain(sentence: str, rules: Honesty) -> str:
    """Return the words; the "'s" of a possessive is left out, and not taken for "is"."""
    return " ".join(words_of(rules.possessive.sub("", sentence.lower()), rules.contractions))
