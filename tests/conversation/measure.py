"""Measures the classifier with the frozen phrasings (phrasings/README.md)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.classifier import Classifier
from worker.interview.dialogue.classify.reading import LOSING, Context, Reading

PHRASINGS: Final = Path(__file__).parent / "phrasings"

_A = Act
#: The acts whose rows make the same move, in every phase and in single ones. DONE and a sufficient
#: answer both lead to the next question.
_SAME: Final[Mapping[str, Sequence[frozenset[Act]]]] = {
    "": (frozenset({_A.NOT_UNDERSTOOD, _A.REPHRASE}), frozenset({_A.STALL, _A.READY})),
    "SOUND_CHECK": (
        frozenset({_A.DENY, _A.CANNOT_HEAR, _A.REPEAT}),
        frozenset(Act)
        - {_A.DENY, _A.CANNOT_HEAR, _A.REPEAT, _A.STOP, _A.POSTPONE, _A.HUMAN}
        - {_A.WITHDRAW_CONSENT, _A.OBJECT_RECORDING, _A.WAIT},
    ),
    "CONSENT": (
        frozenset({_A.DENY, _A.STOP, _A.WITHDRAW_CONSENT}),
        frozenset({_A.REPEAT, _A.CANNOT_HEAR, _A.NOT_UNDERSTOOD, _A.REPHRASE, _A.CLARIFY, _A.PACE}),
    ),
    "WAITING": (frozenset({_A.READY, _A.AFFIRM, _A.DONE}), frozenset({_A.STALL, _A.SMALL_TALK})),
    "CLARIFYING(skip)": (frozenset({_A.AFFIRM, _A.SKIP}),),
    "CLARIFYING(done)": (frozenset({_A.AFFIRM, _A.DONE}),),
    "CONFIRMING_END(stop)": (
        frozenset({_A.AFFIRM, _A.STOP}),
        frozenset({_A.DENY, _A.ANSWER, _A.SMALL_TALK, _A.GO_BACK}),
    ),
    "CONFIRMING_END(postpone)": (
        frozenset({_A.AFFIRM, _A.STOP, _A.POSTPONE}),
        frozenset({_A.DENY, _A.ANSWER, _A.SMALL_TALK, _A.GO_BACK}),
    ),
    "CONFIRMING_END(human)": (
        frozenset({_A.AFFIRM, _A.STOP, _A.HUMAN}),
        frozenset({_A.DENY, _A.ANSWER, _A.SMALL_TALK, _A.GO_BACK}),
    ),
    "CANDIDATE_QUESTIONS": (frozenset({_A.DENY, _A.DONE}),),
    "FAREWELL": (frozenset({_A.ANSWER, _A.GO_BACK}),),
}
#: The acts that close a question. An act that should not and does loses it.
_CLOSES: Final = frozenset({_A.ANSWER, _A.SKIP, _A.LATER, _A.NO_ANSWER, _A.DONE})
#: The phases in which no question of the plan is open.
_NO_QUESTION: Final = ("SOUND_CHECK", "CONSENT", "CANDIDATE_QUESTIONS", "FAREWELL")

Phrasing = Mapping[str, Any]


@dataclass
class Figures:
    """The figures of the README, each with the ids of the phrasings that fail."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    #: How often each act was read as each act.
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def right_share(self) -> float:
        """The share of all phrasings with the right move."""
        return self.right / max(1, self.right + len(self.wrong))

    def text(self) -> str:
        """Return the figures and the confusion table, without a phrasing."""
        lines = [
            f"right move {self.right_share:.1%}, questions lost {len(self.lost)}, "
            f"answers taken for a loss {len(self.taken)}"
        ]
        for act in Act:
            row = {read: n for (meant, read), n in self.confusion.items() if meant == act}
            if row:
                lines.append(f"{act}: " + ", ".join(f"{k} {v}" for k, v in sorted(row.items())))
        return "\n".join(lines)


@cache
def phrasings(name: str) -> tuple[Phrasing, ...]:
    """Return the phrasings of one file."""
    read = YAML(typ="safe").load(PHRASINGS / name)
    entries = read if isinstance(read, list) else next(iter(read.values()))
    return tuple(entries)


def context_of(phrasing: Phrasing) -> Context:
    """Return the context of a phrasing: its phase with its kind, and our line before."""
    found = re.fullmatch(r"(\w+)(?:\((\w+)\))?", str(phrasing.get("phase", "LISTENING")))
    assert found is not None
    phase, kind = found.groups("")
    return Context(phase=phase, kind=kind, asked=str(phrasing.get("asked", "")))


def measured(
    classifier: Classifier, requests: Sequence[Phrasing], answers: Sequence[Phrasing]
) -> Figures:
    """Return the figures of a classifier."""
    figures = Figures()
    for phrasing in (*requests, *answers):
        _add(figures, phrasing, classifier.read(str(phrasing["says"]), context_of(phrasing)))
    figures.taken = [
        str(phrasing["id"])
        for phrasing in answers
        if _acts(classifier.read(str(phrasing["says"]), context_of(phrasing))) & LOSING
    ]
    return figures


def _add(figures: Figures, phrasing: Phrasing, reading: Reading) -> None:
    meant, phase = Act(phrasing["act"]), str(phrasing.get("phase", "LISTENING"))
    read = reading.also or reading.act
    figures.confusion[str(meant), str(read)] += 1
    kept = phrasing.get("also") != "ANSWER" or reading.act is Act.ANSWER
    if kept and _same_move(meant, read, reading, phase):
        figures.right += 1
    else:
        figures.wrong.append(str(phrasing["id"]))
        wrongly_closed = meant not in _CLOSES and read in _CLOSES and phase not in _NO_QUESTION
        kept_as_answer = meant in _CLOSES - {Act.ANSWER} and read is Act.ANSWER
        if wrongly_closed or kept_as_answer:
            figures.lost.append(str(phrasing["id"]))


def _same_move(meant: Act, read: Act, reading: Reading, phase: str) -> bool:
    if meant is read:
        return True
    if meant is Act.ANSWER and read is Act.DONE and reading.act is Act.ANSWER:
        return True
    groups = (*_SAME[""], *_SAME.get(phase, ()))
    return any(meant in group and read in group for group in groups)


def _acts(reading: Reading) -> set[Act]:
    return {reading.act} | ({reading.also} if reading.also else set())
