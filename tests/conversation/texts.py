"""Plans and answers of the conversations. Each answer is long enough, and has words of its own."""

from __future__ import annotations

from typing import Any, Final

from tests.support.conversation.expectations import Stored
from tests.support.conversation.steps import Answers
from worker.interview.plan.plan import Plan

Q0: Final = "Which project that you worked on during the last two years are you most proud of?"
Q1: Final = "How do you find out what is wrong when a service is slow for some of its users?"
Q2: Final = "When did you last disagree with somebody in your team, and how did that end?"
FOLLOW_UP: Final = "And which part of it was your own?"
CLOSING: Final = "Thank you very much for your time, and have a good rest of the week. Goodbye."
OPENING: Final = "Hello and welcome. We have all the time that we need for this interview."
A0: Final = "I rebuilt the billing system of a small bank with two colleagues in one year."
A1: Final = "First I look at the traces and then I compare a fast request with one that is slow."
A2: Final = "My manager wanted to ship on Friday but I showed her the failing load test instead."
QUESTIONS: Final = (Q0, Q1, Q2)
ANSWERS: Final = (A0, A1, A2)
#: Answers every question as soon as it was asked.
ANSWERS_ALL: Final = Answers(QUESTIONS, ANSWERS)
#: Answers the questions after the first one, or after the second one.
ANSWERS_THE_REST: Final = Answers(QUESTIONS[1:], ANSWERS[1:])
ANSWERS_THE_LAST: Final = Answers(QUESTIONS[2:], ANSWERS[2:])
#: Every answer is stored under its question.
EACH_ANSWER: Final = (Stored("q0", A0), Stored("q1", A1), Stored("q2", A2))


def plan(*, count: int = 3, language: str = "en", **first: Any) -> Plan:
    """Return a plan of the first `count` questions. The first question has the other fields."""
    questions = [{"id": f"q{n}", "text": text} for n, text in enumerate(QUESTIONS[:count])]
    return Plan.from_json(
        {
            "title": "Software engineer",
            "opening": OPENING,
            "questions": [questions[0] | first, *questions[1:]],
            "closing": CLOSING,
            "language": language,
        }
    )
