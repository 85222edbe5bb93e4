"""Converts the reply of a language model to the next utterance, or to the reason why it is refused.

The functions have no side effects. For every reply, the utterance either ends with the plan's own
next words, or is one follow-up that the plan allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from worker.interview.llm.guardrails import Refusal, check_acknowledgement, check_follow_up
from worker.interview.llm.prompt import template
from worker.interview.plan.plan import Plan
from worker.interview.turn import LlmAllowance, Move, Role

#: Pattern of a language model's reply: one line with the kind of the reply and the words to speak.
_REPLY = re.compile(r"(ACKNOWLEDGE|FOLLOW-UP):[ \t]*(.*)")


class WordsRefused(Exception):
    """Raised when a language model's words must not be spoken; `reason` is one CamelCase word.

    The exception never contains any of the model's words.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def phrased(reply: str, plan: Plan, leeway: LlmAllowance) -> Move:
    """Return the interviewer's next utterance with the words of a language model's reply.

    Raises WordsRefused if the words must not be spoken. The exception's reason is Empty,
    FormatUnknown, FollowUpNotAllowed, AcknowledgementNotAllowed, or the value of a `Refusal`.
    """
    if not reply.strip():
        raise WordsRefused("Empty")
    parts = _REPLY.fullmatch(reply.strip())
    if parts is None:
        raise WordsRefused("FormatUnknown")
    if not leeway.acknowledge:
        raise WordsRefused("AcknowledgementNotAllowed")
    kind, words = parts.groups()
    if kind == "FOLLOW-UP":
        return _follow_up(words, plan, leeway)
    return _acknowledgement(words, plan, leeway)


def _acknowledgement(words: str, plan: Plan, leeway: LlmAllowance) -> Move:
    question, place = plan.questions[leeway.place.question], leeway.place
    checked = check_acknowledgement(
        words,
        about=(question.text, *place.answers),
        language=plan.language,
        told=_told(plan, leeway),
    )
    if isinstance(checked, Refusal):
        raise WordsRefused(checked.value)
    return replace(leeway.move, text=f"{checked} {leeway.move.text}")


def _follow_up(words: str, plan: Plan, leeway: LlmAllowance) -> Move:
    if leeway.follow_ups_left < 1:
        raise WordsRefused("FollowUpNotAllowed")
    question, place = plan.questions[leeway.place.question], leeway.place
    checked = check_follow_up(
        words,
        about=(question.text, *question.good_answer, *place.answers),
        asked=(*place.prompts, *_questions_of_others(plan, place.question)),
        language=plan.language,
        told=_told(plan, leeway),
    )
    if isinstance(checked, Refusal):
        raise WordsRefused(checked.value)
    return Move(role=Role.FOLLOW_UP, text=checked, question_id=question.id)


def _told(plan: Plan, leeway: LlmAllowance) -> tuple[str, ...]:
    return (template(), *plan.questions[leeway.place.question].good_answer)


def _questions_of_others(plan: Plan, index: int) -> Iterator[str]:
    for other, question in enumerate(plan.questions):
        if other != index:
            yield question.text
            yield from question.follow_ups
