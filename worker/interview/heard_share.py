"""The part of an utterance that must be heard, and the share of it that was heard."""

from __future__ import annotations

from worker.interview.plan.plan import Plan
from worker.interview.sentences import sentences


def asked_in(generated: str, plan: Plan) -> str:
    """Return the question or follow-up at the end of an utterance.

    If the utterance ends with a question or follow-up of the plan, return that text, else return
    the last sentence.
    """
    generated = generated.strip()
    own = (
        text.strip()
        for question in plan.questions
        for text in (
            question.text,
            *question.follow_ups,
            *(point.probe for point in question.points if point.probe),
        )
    )
    asked = max((text for text in own if generated.endswith(text)), key=len, default="")
    return asked or (sentences(generated) or ("",))[-1]


def share_heard(text: str, generated: str, asking: str) -> float:
    """Return the share of `asking`, the end of `generated`, that was heard if `text` was heard."""
    if not text.strip():
        return 0.0
    of = len(asking) or len(generated) or 1
    unheard = max(0, len(generated.strip()) - len(text.strip()))
    return max(0.0, 1.0 - unheard / of)
