"""What a language model is told: `prompt.md`, filled in, and the answer, marked as data.

Its size has a bound, however long the plan, the answer and the interview are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from worker.interview.orchestrator import Leeway, Role
from worker.interview.plan import Plan
from worker.interview.words import ACKNOWLEDGEMENT_WORDS, FOLLOW_UP_WORDS

#: The bound of all that is sent, in characters: about 2500 tokens.
MAX_CHARACTERS = 10_000

#: The bounds of its parts. Of a longer text, the beginning and the end are kept.
_MAX_ANSWER = 3000
_MAX_QUESTION = 600
_MAX_POINT = 200
_MAX_POINTS = 10
_MAX_FOLLOW_UP = 250
_MAX_FOLLOW_UPS = 5

_GAP = " [...] "
_NO_MARKS = str.maketrans({"<": "(", ">": ")"})


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One request to a language model."""

    system: str
    user: str


@cache
def template() -> str:
    """The text of `prompt.md`, with its places."""
    return Path(__file__).with_name("prompt.md").read_text(encoding="utf-8")


def prompt_for(plan: Plan, leeway: Leeway) -> Prompt:
    """The prompt for one place of the interview; at most `MAX_CHARACTERS` characters in all."""
    question = plan.questions[leeway.place.question]
    goodbye = leeway.move.role is Role.CLOSING
    system = Template(template()).substitute(
        acknowledgement_words=ACKNOWLEDGEMENT_WORDS,
        follow_up_words=FOLLOW_UP_WORDS,
        follow_ups_left=leeway.follow_ups_left,
        language=plan.language,
        question=_quoted(question.text, _MAX_QUESTION),
        good_answer=_listed(question.good_answer, _MAX_POINT, _MAX_POINTS),
        # The question itself is the first of them.
        asked=_listed(leeway.place.prompts[1:], _MAX_FOLLOW_UP, _MAX_FOLLOW_UPS),
        next="(thanks and goodbye)" if goodbye else _quoted(leeway.move.text, _MAX_QUESTION),
    )
    answer = _quoted(" ".join(leeway.place.answers), _MAX_ANSWER)
    return Prompt(system=system, user=f"<answer>{answer}</answer>")


def _listed(texts: Iterable[str], longest: int, most: int) -> str:
    lines = [f"- {_quoted(text, longest)}" for text in texts]
    return "\n".join(lines[:most]) or "- (nothing)"


def _quoted(text: str, longest: int) -> str:
    """The text on one line and without anything that could pass for a mark of the prompt's."""
    # Printable is what holds none of these but the plain space: nearly every text.
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return _shortened(" ".join(text.translate(_NO_MARKS).split()), longest)


def _shortened(text: str, longest: int) -> str:
    """The first third and the last two: what was said last is what is reacted to."""
    if len(text) <= longest:
        return text
    room = longest - len(_GAP)
    head = room // 3
    return f"{text[:head]}{_GAP}{text[len(text) - (room - head) :]}"
