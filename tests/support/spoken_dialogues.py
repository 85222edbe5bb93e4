"""Dialogues with words for tests: a plan with texts, and a driver that speaks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from tests.support.dialogues import HEARD, Driven, happens, say
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.plan_view import view_of
from worker.interview.dialogue.wording.prompt import Prompt
from worker.interview.dialogue.wording.spoken import Spoken
from worker.interview.dialogue.wording.wording import words_of
from worker.interview.plan.markup import markup_in
from worker.interview.plan.plan import Plan

#: The id of a part of an utterance.
_ID: Final = re.compile(
    r"question:\w+|(probe|rephrasing|clarification):\w+/[\w-]+|fact:[a-z_]+|line:[a-z_]+"
)
#: The questions of `tests.support.dialogues.PLAN`, with texts.
PLAN = Plan.from_json(
    {
        "title": "Screening",
        "opening": "Hello, and welcome.",
        "closing": "Those were my questions. Goodbye.",
        "consent": {"ask": "Do you agree that your answers are written down?"},
        "facts": {"salary": "The salary is in the advertisement.", "who_reads": "Our team does."},
        "candidate_questions": {},
        "questions": [
            {
                "id": "q1",
                "text": "Please think of a project. What was your part in it?",
                "expects": "story",
                "follow_ups": ["What was hard? Please give an example.", "What came of it?"],
            },
            {
                "id": "q2",
                "text": "Have you worked alone on a product?",
                "expects": "yes_no",
                "rephrased": ["Did you ever build something without a team?"],
                "clarify": {
                    "which product": "Any product counts.",
                    "at work or in private": "Both are fine.",
                },
            },
            {
                "id": "q3",
                "text": "What would you like to learn?",
                "mandatory": False,
                "may": ["skip"],
            },
            {
                "id": "q4",
                "text": "Under which number can we call you?",
                "expects": "phone",
            },
        ],
    }
)


def speakable(prompt: Prompt) -> bool:
    """Return whether an utterance can be spoken and stored."""
    text = prompt.text
    return (
        text == " ".join(text.split())
        and text.endswith((".", "?"))
        and markup_in(text) == []
        and all(part.text and _ID.fullmatch(part.id) for part in prompt.parts)
        and prompt.asking in text
        and bool(prompt.asking)
        and bool(_ID.fullmatch(prompt.prompt))
        and prompt.words_by is not None
    )


def plan_with(**changed: object) -> Plan:
    """Return the plan with other values of some keys; a key with None is left out."""
    data = {**PLAN.to_json(), **changed}
    return Plan.from_json({key: value for key, value in data.items() if value is not None})


class Speaking(Driven):
    """A dialogue that a test drives, and the words of the interviewer."""

    def __init__(self, plan: Plan = PLAN) -> None:
        super().__init__(view_of(plan))
        self.texts = plan
        self.spoken = Spoken()
        self.prompts: list[Prompt] = []

    def hear(self, given: Input, words: str = "") -> Prompt:
        """Decide an input with the candidate's words, and return the interviewer's utterance."""
        step = self.give(given)
        self.records[-1] = replace(self.records[-1], more={"text": words})
        prompt = words_of(
            step,
            self.state,
            self.texts,
            given=given,
            words=words,
            spoken=self.spoken,
            seq=len(self.records),
        )
        self.spoken = self.spoken.then(given, prompt, self.state)
        self.prompts.append(prompt)
        return prompt

    def says(self, act: Act, text: str = "", count: int | None = None, **more: object) -> Prompt:
        """Let the candidate take a turn after the line was heard; return what follows."""
        self.heard()
        return self.hear(say(act, count, **more), text)

    def heard(self) -> None:
        """Let the last utterance be heard to its end."""
        if self.prompts and self.prompts[-1].parts:
            self.hear(HEARD)

    def until_asked(self, question: str) -> Prompt:
        """Let the candidate answer until a question is asked; return the utterance that asks it."""
        prompt = self.hear(happens(Event.PRESENT))
        while self.place != f"ASKING:{question}":
            prompt = self.hear(HEARD) if prompt.parts else self.hear(self._answer(), "yes")
        return prompt

    def _answer(self) -> Input:
        at_a_question = self.state.place.question
        open_question = at_a_question and self.state.place.phase != "CLARIFYING"
        return say(Act.ANSWER if open_question else Act.AFFIRM)


def at(question: str = "q1") -> Speaking:
    """Return a dialogue in which a question of `PLAN` was heard."""
    dialogue = Speaking()
    dialogue.until_asked(question)
    dialogue.hear(HEARD)
    return dialogue
