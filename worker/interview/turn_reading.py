"""`TurnReader`: what a turn of the candidate says to the dialogue.

The reader classifies the turn, and finds the points that it covers and the question that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.classifier import Classifier, prepare
from worker.interview.dialogue.classify.language import TABLES
from worker.interview.dialogue.classify.reading import Context, Reading
from worker.interview.dialogue.inputs import Turn
from worker.interview.dialogue.phases import Phase, Status
from worker.interview.dialogue.plan_view import PlanView
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.wording.lines import has_lines, lines_of
from worker.interview.dialogue.wording.references import points_covered, question_named
from worker.interview.plan.plan import Plan
from worker.interview.turn import CommittedTurn


@dataclass(frozen=True, kw_only=True)
class ReadTurn:
    """A turn of the candidate as an input of the dialogue."""

    given: Turn
    #: The candidate's words of a request; the whole text if the turn has no request.
    words: str
    #: What the record of the turn contains besides.
    more: Mapping[str, Any]


class TurnReader:
    """Reads the turns of the candidate in one interview."""

    def __init__(self, plan: Plan, view: PlanView) -> None:
        self._plan = plan
        self._view = view
        self._classifier = _classifier_of(plan.language)
        #: What finds words of the plan in an answer; None in a language without prepared lines.
        self._lines = lines_of(plan.language) if has_lines(plan.language) else None
        self._asked = {question.id: question for question in plan.questions}

    def read(
        self,
        turn: CommittedTurn,
        state: Dialogue,
        since: Sequence[str],
        *,
        share: float,
        time_over: bool,
        classify: bool,
    ) -> ReadTurn:
        """Return a turn as an input of the dialogue.

        `since` are the utterances since the candidate's last turn, `share` is the share of the last
        utterance that was heard, and `time_over` tells whether the question's time is used up. With
        `classify` false the turn counts as an answer.
        """
        reading = Reading(act=Act.ANSWER)
        if classify and not turn.interrupted and self._classifier is not None:
            reading = self._classifier.read(turn.text, self._context(state, since))
        answer = turn.text[: reading.also_from] if reading.also else turn.text
        request = turn.text[reading.also_from or 0 :]
        goes_back = Act.GO_BACK in (reading.act, reading.also)
        given = Turn(
            act=reading.act,
            also=reading.also,
            words=len(answer.split()),
            points=self._points_in(answer, state),
            about=self._named_in(request, state) if goes_back else "",
            share=share if state.place.phase is Phase.ASKING else 1.0,
            cut=turn.interrupted,
            time_over=time_over,
        )
        more: dict[str, Any] = {"act_by": reading.act_by, "turn": True}
        if reading.also_from is not None:
            more["also_from"] = reading.also_from
        return ReadTurn(given=given, words=request, more=more)

    def act_of(self, text: str, state: Dialogue, since: Sequence[str]) -> Act | None:
        """Return the request in a piece of the candidate's speech; None if it has none."""
        if self._classifier is None:
            return None
        reading = self._classifier.read(text, self._context(state, since))
        act = reading.also or reading.act
        return None if act is Act.ANSWER else act

    def _points_in(self, answer: str, state: Dialogue) -> tuple[str, ...]:
        """Return the points of the current question that an answer covers."""
        asked = self._asked.get(state.place.question)
        return points_covered(answer, asked, self._lines) if asked and self._lines else ()

    def _named_in(self, request: str, state: Dialogue) -> str:
        """Return the earlier question that a request names; empty if it names none."""
        heard = [each for each in self._plan.questions if _was_asked(each.id, state)]
        return question_named(request, heard, self._lines) if self._lines is not None else ""

    def _context(self, state: Dialogue, since: Sequence[str]) -> Context:
        question = self._view.by_id.get(state.place.question)
        return Context(
            phase=state.place.phase.value,
            kind=state.place.kind,
            expects=question.expects.value if question is not None else "",
            asked=since[-1] if since else "",
        )


def _was_asked(question: str, state: Dialogue) -> bool:
    return state.standing(question).status not in (Status.NOT_REACHED, Status.NOT_HEARD)


def _classifier_of(tag: str) -> Classifier | None:
    code = tag.partition("-")[0].lower()
    return prepare(code) if code in TABLES else None
