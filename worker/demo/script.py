"""What the demo's candidate says: an answer to each question of the sample plan.

`[pause 1.3]` is a thinking pause inside an answer, in seconds. The answers avoid words that
small speech recognisers mishear, so that a transcript can be held against them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from worker.interview.plan import SAMPLE_PLAN, Plan, load_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The answers to the sample plan, by question id; a follow-up's is `<id>/<number from 1>`.
ANSWERS: Mapping[str, str] = {
    "recent-project": (
        "Last year I worked on a small service that reminds people of their visits to the doctor."
        " [pause 1.3] My part was the database and the tests around it."
    ),
    "recent-project/1": (
        "The hardest part was to make sure that nobody gets the same message twice."
    ),
    "finding-a-bug": (
        "First I try to make it happen again on my own machine."
        " Then I remove one piece after the other, [pause 1.2] until only the cause is left."
        " In the end I write a test for it."
    ),
    "working-together": (
        "I listen first, and I say back what I have understood."
        " [pause 1.0] Then we build the smallest thing that shows who is right."
    ),
}

#: The answer to anything else.
GENERIC_ANSWER = "That is a good question. I would start small, and ask the people who use it."


class CandidateScript:
    """Answers to the questions of one plan.

    Args:
        plan: Whose questions are answered.
        answers: As `ANSWERS`, by the plan's question ids.
        generic: For every question that has no answer of its own.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        answers: Mapping[str, str] = ANSWERS,
        generic: str = GENERIC_ANSWER,
    ) -> None:
        self._ids = [question.id for question in plan.questions]
        self._answers = dict(answers)
        self._generic = generic
        # Follow-ups first: an interviewer may repeat the question before following up on it.
        followed = [
            (_words(follow_up), f"{question.id}/{number}")
            for question in plan.questions
            for number, follow_up in enumerate(question.follow_ups, start=1)
        ]
        self._asked = followed + [
            (_words(question.text), question.id) for question in plan.questions
        ]

    @classmethod
    def for_sample_plan(cls) -> CandidateScript:
        """The script for the plan that ships with the package."""
        return cls(load_plan(SAMPLE_PLAN))

    def is_question(self, said: str) -> bool:
        """Whether this is one of the plan's questions, and not its closing or a clip."""
        return any(asked in _words(said) for asked, _ in self._asked)

    def answer_for(self, question: str | int) -> str:
        """The answer, with its pause marks, to a question.

        Args:
            question: What the interviewer said (the plan's words anywhere in it, in whatever
                case and punctuation), or the question's place in the plan, from 0.
        """
        if isinstance(question, int):
            known = 0 <= question < len(self._ids)
            return self._answers.get(self._ids[question], self._generic) if known else self._generic
        said = _words(question)
        for asked, answer_id in self._asked:
            if asked in said:
                return self._answers.get(answer_id, self._generic)
        return self._generic


def _words(text: str) -> str:
    """The words alone, lower case, with a space around each, so that whole words are compared."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "
