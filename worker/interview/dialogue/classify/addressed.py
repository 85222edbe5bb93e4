"""Determines whether a part of a turn is said to the interviewer, and not part of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile, pairwise
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.language import Language
from worker.interview.dialogue.classify.topics import words_and_pairs
from worker.interview.dialogue.classify.words import Edge, Word

#: The acts that speak of the candidate's own answer, and therefore address nobody.
OF_THE_ANSWER: Final = frozenset({Act.DONE, Act.NO_ANSWER, Act.GO_BACK})
#: Words at the beginning of a request in which its form is looked for.
_OPENED_WITHIN: Final = 6
#: Words before a request in which a verb of speech is looked for.
_REPORTED_WITHIN: Final = 5
#: Words of a turn that is too short for an answer with a request after it.
SHORT_TURN: Final = 10
#: Words before a request in which the candidate may say who asked it.
_QUOTED_WITHIN: Final = 12


def is_addressed(words: Sequence[Word], table: Language) -> bool:
    """Return whether the words address the interviewer: by a phrase, or as a question."""
    found = words_and_pairs([word.text for word in words])
    return not table.calls.isdisjoint(found) or is_question(words, table)


def opens_a_request(words: Sequence[Word], table: Language) -> bool:
    """Return whether the words begin with the form of a request, such as `can you`."""
    found = words_and_pairs([word.text for word in words[:_OPENED_WITHIN]])
    return not table.openers.isdisjoint(found)


def begins_a_request(words: Sequence[Word], table: Language) -> bool:
    """Return whether the first words ask the interviewer for something."""
    texts = _without_opening([word.text for word in words], table)
    if not table.requests.isdisjoint(words_and_pairs(texts[:4])):
        return True
    return is_question(words, table) and not {"you", "your", "we"}.isdisjoint(texts)


def is_question(words: Sequence[Word], table: Language) -> bool:
    """Return whether the words have a question mark, or the word order of a question."""
    if words[-1].asks:
        return True
    texts = _without_opening([word.text for word in words], table)
    first, second = (*texts, "", "")[:2]
    verbs = table.inverts | table.yes_or_no
    if first in table.question_words:
        pairs = pairwise(texts[1:_OPENED_WITHIN])
        return second in verbs or any(a in verbs and b in table.subjects for a, b in pairs)
    return first in verbs and second in table.subjects


def asks_inside(words: Sequence[Word], table: Language) -> bool:
    """Return whether a question begins inside the words, as in `sorry are you a robot`."""
    opening = table.light | table.joins | table.question_words | table.apologies | table.asking
    no_subject = table.subjects | table.inverts | {"i", "to", "not"}
    return any(
        word.text in table.inverts
        and following.text in table.subjects
        and before.text not in no_subject
        and (
            (len(words) <= SHORT_TURN and word.text not in ("have", "has"))
            or f"{word.text}_{following.text}" in table.inverted
            or before.text in opening
            or word.edge is not Edge.NONE
        )
        and f"{word.text}_{following.text}" != "is_you"
        for before, word, following in zip(words, words[1:], words[2:], strict=False)
    )


def asks_briefly(words: Sequence[Word], table: Language) -> bool:
    """Return whether the words begin as a question without a verb, as in `what about the pay`."""
    texts = _without_opening([word.text for word in words], table)
    first, second = (*texts, "", "")[:2]
    return first in table.question_words - table.conditions and second not in table.others | {"i"}


def wishes_something(words: Sequence[Word], found: frozenset[str], table: Language) -> bool:
    """Return whether the words, whose words and pairs are `found`, say what the candidate wants.

    What `you` and others need is no wish of the candidate.
    """
    complaints = table.complaints if "i_am" not in found else frozenset[str]()
    wishes = (table.wishes | complaints) & found
    needs = {b.text for a, b in pairwise(words) if a.text in table.others}
    return bool(wishes - needs)


def continues_a_sentence(words: Sequence[Word], start: int, table: Language) -> bool:
    """Return whether `is that` at the word `start` is no question, as in `my strength is that`."""
    pair = "_".join(word.text for word in words[start : start + 2])
    if start == 0 or words[start].edge is not Edge.NONE or pair not in table.copulas:
        return False
    found = words_and_pairs([word.text for word in words[start:]])
    before = words[start - 1].text
    return before not in table.light | table.joins and table.confirms.isdisjoint(found)


def describes(words: Sequence[Word], table: Language) -> bool:
    """Return whether the words are a statement about something that was said before.

    Such as `it was slow` or `that is too loud`. After an answer, they belong to the answer.
    """
    texts = _without_opening([word.text for word in words], table)
    return bool(texts) and texts[0] in table.refers


def is_past(words: Sequence[Word]) -> bool:
    """Return whether the words tell how something was."""
    return any(word.text in ("was", "were") for word in words)


def _without_opening(texts: list[str], table: Language) -> list[str]:
    """Return the words after those of no weight at the beginning, such as `and so`."""
    opening = table.light | table.joins
    return list(dropwhile(opening.__contains__, texts))


def is_quoted(words: Sequence[Word], start: int, table: Language) -> bool:
    """Return whether the words before `start` say that somebody asks what follows.

    As in `I ask the guests, do you hear me`. An apology or the word `question` is no quotation
    unless somebody asks just before it.
    """
    sentence = [word.text for word in words[max(0, start - _QUOTED_WITHIN) : start]]
    return not table.quotes.isdisjoint(words_and_pairs(sentence))


def _line_fails(words: Sequence[Word], request: Sequence[Word], table: Language) -> bool:
    """Return whether a short turn ends with words such as `it cut out`."""
    found = words_and_pairs([word.text for word in request])
    return len(words) <= SHORT_TURN and not table.line_events.isdisjoint(found)


def _is_of_the_answer(act: Act, request: Sequence[Word], table: Language) -> bool:
    """Return whether words of `OF_THE_ANSWER` are about the candidate's answer."""
    found = words_and_pairs([word.text for word in request])
    if act is Act.DONE:
        return not table.ends.isdisjoint(found)
    return act is Act.NO_ANSWER or not table.first_person.isdisjoint(found)


def may_follow_an_answer(
    act: Act, words: Sequence[Word], start: int, end: int, table: Language
) -> bool:
    """Return whether the words from `start` to `end` may be a request with this act.

    The words before `start` are an answer, or words that no pattern matches.
    """
    request = words[start:end]
    if act in OF_THE_ANSWER and _is_of_the_answer(act, request, table):
        return True
    if act is Act.DONE and request[0].edge is Edge.NONE:
        return False
    if continues_a_sentence(words, start, table):
        return False
    edge = request[0].edge
    if edge is not Edge.SENTENCE and is_quoted(words, start, table):
        return False
    near = {word.text for word in words[max(0, start - _REPORTED_WITHIN) : start]}
    reports = (table.reports | table.narrators) - table.speakers
    if edge is not Edge.SENTENCE and not reports.isdisjoint(near):
        return False
    joined = request[0].text in table.joins or edge is not Edge.NONE
    if start and not joined and words[start - 1].text in ("question", "questions"):
        return False
    if is_addressed(request, table):
        return True
    if edge is Edge.COMMA and "you" in _without_opening([w.text for w in request], table)[:1]:
        return False
    if edge is Edge.NONE:
        return words[0].text in table.apologies
    return not describes(request, table) or _line_fails(words, request, table)
