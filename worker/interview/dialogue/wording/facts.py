"""Which fact or clarification of the plan answers the candidate's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.wording.lines import Lines
from worker.interview.plan.facts import Facts
from worker.interview.plan.question import Question

#: Keywords that no fact answers.
UNKNOWN: Final = "unknown"
#: The facts about the offered position, and what follows the interview.
_JOB: Final = (
    *("role", "salary", "place", "hours", "team", "manager", "start", "tools"),
    *("next_step", UNKNOWN),
)
#: The facts that may answer each act.
TOPICS: Final[Mapping[Act, tuple[str, ...]]] = {
    Act.ABOUT_YOU: ("about_you",),
    Act.ABOUT_DATA: ("delete", "how_decided", "who_reads", "recorded", UNKNOWN),
    Act.ABOUT_TIME: ("how_long", "next_step"),
    Act.ABOUT_JOB: _JOB,
    Act.ABOUT_RESULT: ("how_decided", "next_step"),
    Act.HUMAN: ("human_instead",),
    Act.WITHDRAW_CONSENT: ("delete",),
    Act.OBJECT_RECORDING: ("recorded",),
    # A question that no pattern of the classifier knows.
    Act.CLARIFY: (*(each.name for each in fields(Facts)), UNKNOWN),
}
#: The fact that answers an act whose words name no other fact.
_OTHERWISE: Final[Mapping[Act, str]] = {
    Act.ABOUT_YOU: "about_you",
    Act.ABOUT_TIME: "how_long",
    Act.HUMAN: "human_instead",
    Act.WITHDRAW_CONSENT: "delete",
    Act.OBJECT_RECORDING: "recorded",
}
#: Two words count as the same if one is the other with an ending, such as that of a plural: the
#: least length of the shorter word, and the greatest length of the ending, in letters.
_STEM, _ENDING = 4, 2


def fact_for(act: Act, words: str, lines: Lines) -> str:
    """Return the name of the fact that answers the candidate's words; empty if none does."""
    found = lines.found_in(words)
    allowed = TOPICS.get(act, ())
    for keywords in lines.facts:
        if keywords.name in allowed and keywords.fit(found):
            return "" if keywords.name == UNKNOWN else keywords.name
    return _OTHERWISE.get(act, "")


def clarification_for(question: Question, words: str, lines: Lines) -> int | None:
    """Return the number (from 0) of the clarification that answers the words; None for none.

    It is the one whose key shares most content words with the candidate's words. If no key shares
    one, the texts of the clarifications are compared.
    """
    said = lines.words(words)
    for texts in (question.clarify.keys(), question.clarify.values()):
        shared = [_shared(lines.content(text), said) for text in texts]
        if any(shared):
            return shared.index(max(shared))
    return None


def _shared(content: tuple[str, ...], said: tuple[str, ...]) -> int:
    """Return how many of the content words were said."""
    return sum(any(alike(word, each) for each in said) for word in set(content))


def alike(one: str, other: str) -> bool:
    """Return whether two words are the same, also with an ending such as that of a plural."""
    short, long = sorted((one, other), key=len)
    if len(short) < _STEM:
        return one == other
    return long.startswith(short) and len(long) - len(short) <= _ENDING
