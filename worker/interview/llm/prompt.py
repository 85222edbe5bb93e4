"""The prompt for a language model: the filled-in `prompt.md`, and the answer marked as data.

The size of the prompt is bounded, however long the plan, the answer and the interview are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from worker.interview.llm.guardrails import ACKNOWLEDGEMENT_WORDS, FOLLOW_UP_WORDS
from worker.interview.plan.plan import Plan
from worker.interview.turn import LlmAllowance, Role

#: Maximum length of the whole prompt, in characters. 10,000 characters are about 2500 tokens.
MAX_CHARACTERS = 10_000

#: Maximum length in a prompt of all answers to a question together, in characters. A longer text is
#: cut in the middle.
_MAX_ANSWER = 3000
#: Maximum length of a question in a prompt, in characters.
_MAX_QUESTION = 600
#: Maximum length in a prompt of one point of a good answer, in characters.
_MAX_POINT = 200
#: Maximum number of points of a good answer in a prompt. Later points are left out.
_MAX_POINTS = 10
#: Maximum length in a prompt of a follow-up that was asked, in characters.
_MAX_FOLLOW_UP = 250
#: Maximum number of asked follow-ups in a prompt. Later follow-ups are left out.
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
    """Return the text of `prompt.md`, with its placeholders."""
    return Path(__file__).with_name("prompt.md").read_text(encoding="utf-8")


def prompt_for(plan: Plan, leeway: LlmAllowance) -> Prompt:
    """Return the prompt for one position in the plan, at most `MAX_CHARACTERS` characters long."""
    question = plan.questions[leeway.place.question]
    goodbye = leeway.move.role is Role.CLOSING
    system = Template(template()).substitute(
        acknowledgement_words=ACKNOWLEDGEMENT_WORDS,
        follow_up_words=FOLLOW_UP_WORDS,
        follow_ups_left=leeway.follow_ups_left,
        language=plan.language,
        question=_quoted(question.text, _MAX_QUESTION),
        good_answer=_listed(question.good_answer, _MAX_POINT, _MAX_POINTS),
        # Skip `prompts[0]`, which is the question itself.
        asked=_listed(leeway.place.prompts[1:], _MAX_FOLLOW_UP, _MAX_FOLLOW_UPS),
        next="(thanks and goodbye)" if goodbye else _quoted(leeway.move.text, _MAX_QUESTION),
    )
    answer = _quoted(" ".join(leeway.place.answers), _MAX_ANSWER)
    return Prompt(system=system, user=f"<answer>{answer}</answer>")


def _listed(texts: Iterable[str], longest: int, most: int) -> str:
    lines = [f"- {_quoted(text, longest)}" for text in texts]
    return "\n".join(lines[:most]) or "- (nothing)"


def _quoted(text: str, longest: int) -> str:
    """Return the text on one line, without characters that could pass for the prompt's markup."""
    # A printable text contains no control character, and no separator except the space. Most texts
    # are printable, and need no replacement.
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return _shortened(" ".join(text.translate(_NO_MARKS).split()), longest)


def _shortened(text: str, longest: int) -> str:
    """Shorten a text to `longest` characters by a cut in the middle.

    Two thirds of the kept text are from the end of the text, because the model reacts to the latest
    words.
    """
    if len(text) <= longest:
        return text
    room = longest - len(_GAP)
    head = room // 3
    return f"{text[:head]}{_GAP}{text[len(text) - (room - head) :]}"
