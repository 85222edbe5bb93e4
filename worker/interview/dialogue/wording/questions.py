"""The words of a question of the plan: its probes, its open sentence, and the part not heard."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from worker.interview.plan.question import Question
from worker.interview.sentences import sentences

#: An end that may be that of an abbreviation, such as `Dr.` or `e.g.`, and not of a sentence.
_ABBREVIATION: Final = re.compile(r"(?:^|\s)(?:(?:\w{1,3}\.){2,}|[A-Z]\w{0,2}\.)$")
#: A sentence that asks; a quotation mark may follow the question mark.
_ASKS: Final = re.compile(r"\?\W*$")
#: What stands before the begin of a phrase.
_PHRASE_BEGINS: Final = re.compile(r"[.!?…;:,]\s+")
#: Words that the part of a question that was not heard has at least.
_FEWEST_WORDS: Final = 3


def probes_of(question: Question) -> Mapping[str, str]:
    """Return the probes of a question by id, in the order in which they are asked.

    They are the probes of the points if the question has points, otherwise the follow-ups.
    """
    if question.points:
        probes = {point.id: point.probe for point in question.points if point.probe is not None}
    else:
        probes = {str(number): text for number, text in enumerate(question.follow_ups, start=1)}
    return {probe_id(question, name): text.strip() for name, text in probes.items()}


def probe_id(question: Question, name: str) -> str:
    """Return the id of a probe: of the point with the id `name`, or of the follow-up number."""
    return f"probe:{question.id}/{name}"


def next_probe(question: Question, asked: Collection[str], met: Collection[str]) -> str:
    """Return the id of the next probe; empty for a question without probes.

    It is the first probe that was not asked and whose point is not met. If there is none, it is the
    first that was not asked, else the last one. `asked` has ids of probes, `met` ids of points.
    """
    probes = list(probes_of(question))
    covered = {probe_id(question, point) for point in met}
    left = [probe for probe in probes if probe not in asked]
    missing = [probe for probe in left if probe not in covered]
    return next(iter([*missing, *left, *probes[-1:]]), "")


def whole_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text. A full stop after an abbreviation ends no sentence."""
    whole: list[str] = []
    for part in sentences(text):
        if whole and (part[0].islower() or _ABBREVIATION.search(whole[-1])):
            whole[-1] = f"{whole[-1]} {part}"
        else:
            whole.append(part)
    return tuple(whole)


def open_sentence(text: str) -> str:
    """Return the sentence that is still to be answered: the last one that asks, else the last."""
    whole = whole_sentences(text)
    asking = [sentence for sentence in whole if _ASKS.search(sentence)]
    return next(iter([*asking[-1:], *whole[-1:]]), "")


def unheard_part(text: str, share: float) -> str:
    """Return the text from the phrase on in which it was cut off after the heard `share`."""
    cut = int(len(text) * share)
    begins = [0, *(match.end() for match in _PHRASE_BEGINS.finditer(text))]
    rests = [text[begin:].strip() for begin in begins if begin <= cut]
    long = [rest for rest in rests if len(rest.split()) >= _FEWEST_WORDS]
    return next(iter([*long[-1:], text.strip()]))
