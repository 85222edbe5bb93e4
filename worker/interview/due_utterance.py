"""`DueUtterance`: the utterance that was decided and not spoken yet, and the words said before."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Final

from worker.interview.decided import Decided
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening, Turn
from worker.interview.dialogue.moves import Move as Say
from worker.interview.dialogue.phases import Phase
from worker.interview.dialogue.plan_view import PlanView
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.wording.prompt import Part, Prompt, WordsBy
from worker.interview.dialogue.wording.spoken import Spoken
from worker.interview.dialogue.wording.wording import words_of
from worker.interview.heard_share import asked_in
from worker.interview.plan.plan import Plan
from worker.interview.turn import CommittedTurn, Move, Role

#: The moves that are not spoken here. A recorded clip says that an interviewer continues after an
#: interruption, and only a language model acknowledges an answer: prepared words would be the same
#: before every question.
_UNSPOKEN: Final = frozenset({Say.INTERRUPTED, Say.ACKNOWLEDGE})
_REPEATS: Final = frozenset({Say.FULL, Say.LAST, Say.UNHEARD_PART, Say.SLOWER, Say.REPHRASED})
_GOODBYES: Final = frozenset({Say.GOODBYE, Say.SHORT_GOODBYE})


class DueUtterance:
    """The due utterance of one interview, computed from the decisions that are applied."""

    def __init__(self, plan: Plan, view: PlanView) -> None:
        self._plan = plan
        self._view = view
        #: The parts of earlier utterances on which the next words depend.
        self.spoken = Spoken()
        #: The utterance that was decided and not spoken yet; None while nothing is to be said.
        self.prompt: Prompt | None = None
        #: The share of the last utterance that the candidate has heard.
        self.share = 1.0
        #: The number of the last decision that has changed the due utterance.
        self.decision = 0

    def copy(self) -> DueUtterance:
        """Return a copy, whose changes do not change this one."""
        return copy.copy(self)

    def apply(self, decided: Decided, after: Dialogue, *, number: int, moved: bool) -> None:
        """Apply a decision.

        `after` is the state after the decision, `number` is the decision's number, and `moved`
        tells whether the decision has changed the place in the dialogue.
        """
        prompt = self.words(decided, after)
        given = decided.given
        self.spoken = self.spoken.then(given, prompt, after)
        event = given.event if isinstance(given, Happening) else None
        if event is Event.PROMPT_DONE:
            self.prompt, self.share = None, given.share
        elif event is Event.WITHDRAWN and moved:
            self.prompt = None
        if isinstance(given, Turn) and after.place.phase is Phase.ARRIVING:
            self.prompt = None  # the candidate can be greeted: nothing about the microphone is due
        if decided.step.moves:
            self.prompt = prompt if prompt.text else None
            self.share = 0.0
        if event in (None, Event.PROMPT_DONE) or decided.step.moves or moved:
            self.decision = number

    def words(self, decided: Decided, after: Dialogue) -> Prompt:
        """Return the words that follow a decision; `after` is the state after the decision."""
        prompt = words_of(
            decided.step,
            after,
            self._plan,
            given=decided.given,
            words=decided.words,
            spoken=self.spoken,
            seq=decided.record.seq,
        )
        parts = tuple(part for part in prompt.parts if part.move not in _UNSPOKEN)
        return replace(prompt, parts=parts)

    def move(self, prompt: Prompt, after: Dialogue) -> Move:
        """Return the interviewer's next utterance with the words of `prompt`."""
        place = after.place
        question = place.question or after.base.question
        goodbye = place.phase is Phase.FAREWELL
        return Move(
            role=_role_of(prompt, goodbye=goodbye),
            text=prompt.text,
            question_id=None if goodbye else question or None,
            asking=prompt.asking,
            decision=self.decision,
            also_written=prompt.also_written,
        )

    def learn(self, turn: CommittedTurn, after: Dialogue) -> None:
        """Note the words of a follow-up that a language model has asked."""
        asked = asked_in(turn.generated, self._plan)
        question = after.place.question
        planned = [view.probes for view in self._view.questions if view.id == question]
        if turn.role is not Role.FOLLOW_UP or any(asked in probes for probes in planned):
            return
        number = after.count("probe")
        part = Part(
            move=Say.PROBE, text=asked, id=f"probe:{question}/model-{number}", by=WordsBy.MODEL
        )
        given = Happening(event=Event.FOLLOW_UP)
        spoken = self.spoken.then(given, Prompt(parts=(part,)), after)
        self.spoken = replace(spoken, since=self.spoken.since)


def _role_of(prompt: Prompt, *, goodbye: bool) -> Role:
    moves = {part.move for part in prompt.parts}
    if goodbye and not moves.isdisjoint(_GOODBYES):
        return Role.CLOSING
    if Say.GREET in moves:
        return Role.OPENING
    if Say.PROBE in moves:
        return Role.FOLLOW_UP
    if Say.ASK in moves:
        return Role.QUESTION
    return Role.REPEAT if not moves.isdisjoint(_REPEATS) else Role.SIDE
