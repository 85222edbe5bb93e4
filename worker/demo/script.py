"""Answers of the demo's candidate to the questions of the sample plan.

`[pause 1.3]` marks a thinking pause of 1.3 seconds inside an answer. The answers contain no words
that small speech recognisers often mishear, so that a transcript can be compared with the answers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from worker.interview.plan.plan import SAMPLE_PLAN, Plan, load_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Answers to the sample plan, by question id. The id of a follow-up is `<question id>/<number>`,
#: counted from 1.
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

#: The answer to any other question.
GENERIC_ANSWER = "That is a good question. I would start small, and ask the people who use it."


class CandidateScript:
    """Finds the candidate's answers to the questions of one plan.

    Args:
        plan: The plan with the questions.
        answers: The candidate's answers, by the id of the question.
        generic: The answer to every other question.
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
        # The follow-ups come first. The interviewer may repeat a question before its follow-up, and
        # such a text contains the question and the follow-up.
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
        """Return the script for the plan that ships with the package."""
        return cls(load_plan(SAMPLE_PLAN))

    def is_question(self, said: str) -> bool:
        """Return True if the text contains a question of the plan.

        Closing messages and recorded clips contain no question.
        """
        return any(asked in _words(said) for asked, _ in self._asked)

    def answer_for(self, question: str | int) -> str:
        """Return the answer to a question, including the pause marks.

        Args:
            question: The interviewer's text, which contains the words of a question of the plan
                (case and punctuation may differ); or the index of a question, from 0.
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
    """Return the words in lower case, each between spaces, so that only whole words are found."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "
