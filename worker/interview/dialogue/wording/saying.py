"""`Saying`: everything that the words of one step depend on."""

from __future__ import annotations

from dataclasses import dataclass

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.decide import Step
from worker.interview.dialogue.inputs import Input, Turn
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.wording.lines import Lines
from worker.interview.dialogue.wording.prompt import Part, WordsBy
from worker.interview.dialogue.wording.questions import probes_of
from worker.interview.dialogue.wording.spoken import Spoken
from worker.interview.plan.plan import Plan
from worker.interview.plan.question import Question


@dataclass(frozen=True, kw_only=True)
class Saying:
    """Everything that the words of one step depend on. The fields are those of `words_of`."""

    step: Step
    after: Dialogue
    plan: Plan
    given: Input
    #: The candidate's words; if the turn also has an answer, only those of the request.
    words: str
    spoken: Spoken
    seq: int
    lines: Lines

    @property
    def question(self) -> Question | None:
        """The current question of the plan; None if the place has none."""
        here = self.after.question
        return next((question for question in self.plan.questions if question.id == here), None)

    @property
    def request(self) -> Act | None:
        """The act to react to: a request beside the answer counts first. None for an event."""
        return (self.given.also or self.given.act) if isinstance(self.given, Turn) else None

    def line(self, move: Move, key: str = "") -> Part:
        """Return a prepared line; by default that of the move."""
        key = key or str(move)
        return Part(move=move, text=self.lines.lines[key], id=f"line:{key}", by=WordsBy.LINE)

    def planned(self, move: Move, key: str, text: str) -> Part:
        """Return a text of the plan that is no question, such as the closing."""
        return Part(move=move, text=text.strip(), id=f"line:{key}", by=WordsBy.PLAN)

    def prompt(self, move: Move) -> Part | None:
        """Return the question or probe that is to be answered, verbatim; None without one."""
        question = self.question
        if question is None:
            return None
        probe = self._open_probe(question)
        probes = {**probes_of(question), **self.spoken.model_words}
        text = probes.get(probe, question.text.strip())
        name = probe if probe in probes else f"question:{question.id}"
        return Part(move=move, text=text, id=name, by=WordsBy.PLAN)

    def _open_probe(self, question: Question) -> str:
        """Return the id of the probe to be answered; empty if it is the question itself."""
        known = self.spoken.open_probe(self.after)
        number = self.after.count("probe")
        if known or not number:
            return known
        # Which probe was asked is not known: those of a plan come in order.
        return next(iter([*probes_of(question)][number - 1 : number]), "")
