"""`DialogueTracker`: the dialogue of a running interview, and the utterance that is due in it.

The tracker classifies each turn of the candidate, lets the table of the dialogue decide, and turns
the decided moves into the next utterance. A decision is computed first (`decided`) and applied
after the journal has its records (`apply`). The tracker uses neither LiveKit nor a clock.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from worker.interview.decided import Decided
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.decide import decide
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.inputs import Happening, Input
from worker.interview.dialogue.phases import REOPENED, Outcome, Phase
from worker.interview.dialogue.plan_view import view_of
from worker.interview.dialogue.records import Record, record
from worker.interview.dialogue.state import Dialogue, Fact
from worker.interview.dialogue.wording.replay import request_in, step_of
from worker.interview.due_utterance import DueUtterance
from worker.interview.exchanges import Exchanges
from worker.interview.plan.plan import Plan, Question
from worker.interview.turn import CommittedTurn, Move, PlanPosition, Role
from worker.interview.turn_reading import TurnReader

#: How often the goodbye is said if each attempt is cut off.
MOST_GOODBYES: Final = 3


class DialogueTracker:
    """The state of one interview's dialogue, computed from its records, and the due utterance."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.view = view_of(plan)
        self.state = Dialogue()
        self.records: list[Record] = []
        #: Returns the fencing token of the job's lease, or None while the job has no lease.
        self.token: Callable[[], int | None] = lambda: None
        #: Why this interviewer continues, if it says something that was not decided before.
        self.resumes_after = Detail.CRASH
        #: True if an earlier job has ended the interview in a way that lets this job continue it.
        self._reopens = False
        self._seq = 0
        #: True until this interviewer has recorded something: all records are of earlier jobs.
        self._continues = True
        self._due = DueUtterance(plan, self.view)
        self._reader = TurnReader(plan, self.view)
        self._exchanges = Exchanges(plan)

    # --- what is to be said -----------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """True if nothing is left to say."""
        place = self.state.place
        if place.phase is Phase.ENDED:
            return not self._reopens
        if place.phase is not Phase.FAREWELL or self._due.prompt is not None:
            return False
        return not self.state.owed or self.state.count("goodbye") >= MOST_GOODBYES

    @property
    def is_missed(self) -> bool:
        """True if the dialogue ends, or has ended, because the candidate was silent or away."""
        return self.state.facts.get(Fact.OUTCOME) == Outcome.MISSED

    @property
    def is_absent(self) -> bool:
        """True if the candidate has left, and neither returned nor said anything since."""
        return bool(self.state.facts.get(Fact.ABSENT))

    @property
    def continues_after_absence(self) -> bool:
        """True if this interviewer continues an interview that the candidate has interrupted."""
        return self._continues and (self.has_ended or self.is_absent)

    @property
    def has_ended(self) -> bool:
        """True if a record says that the interview has ended."""
        return self.state.place.phase is Phase.ENDED

    @property
    def outcome(self) -> Outcome:
        """The outcome with which the dialogue has ended; INCOMPLETE if it has no known outcome."""
        kind = self.state.place.kind if self.has_ended else ""
        return Outcome(kind) if kind in tuple(Outcome) else Outcome.INCOMPLETE

    @property
    def has_begun(self) -> bool:
        """True once the interviewer has greeted the candidate."""
        return self.state.place.phase is not Phase.ARRIVING

    @property
    def has_due(self) -> bool:
        """True if an utterance was decided that was not spoken yet."""
        return self._due.prompt is not None

    @property
    def next_number(self) -> int:
        """The number of the next record."""
        return self._seq + 1

    @property
    def open_question(self) -> Question:
        """The question of the plan that the candidate's words answer, else the nearest one."""
        is_due = self._due.prompt is not None
        return self._exchanges.open_question(self.state, is_due=is_due)

    @property
    def seconds_left(self) -> float:
        """The seconds left for the current question at the last turn; negative afterwards."""
        return self.open_question.soft_s - self._exchanges.time.used_s()

    def exchange(self, question: str) -> PlanPosition:
        """Return the prompts of a question that were heard, and the answers to them."""
        return self._exchanges.of(question)

    def next_move(self) -> Move:
        """Return the due utterance; if nothing is due, what an interviewer says that continues."""
        if self.is_over:
            return Move(role=Role.DONE)
        if self._due.prompt is not None:
            return self._due.move(self._due.prompt, self.state)
        first = self._decide(self.beginning())
        after = fold([first.record], self.state)
        return self._due.move(self._due.words(first, after), after)

    def beginning(self) -> Happening:
        """Return the event with which an interviewer begins or continues."""
        if self.state.place.phase is Phase.ARRIVING:
            return Happening(event=Event.PRESENT)
        absent = self.continues_after_absence or self.has_ended
        detail = Detail.ABSENCE if absent else self.resumes_after
        return Happening(event=Event.RESUMED, detail=detail)

    # --- decisions ----------------------------------------------------------------------------

    def answered(self, turn: CommittedTurn, *, classify: bool = True) -> list[Decided]:
        """Return the decision for a turn of the candidate.

        With `classify` false the turn counts as an answer, as in version 0.1.0.
        """
        first, before = self._reopening()
        if not turn.text.strip():
            nothing = Happening(event=Event.NOMATCH, detail=Detail.NO_WORDS)
            return [
                *first,
                self._decide(nothing, before=before, number=len(first), more={"turn": True}),
            ]
        read = self._reader.read(
            turn,
            self.state,
            self._due.spoken.since,
            share=self._due.share,
            time_over=self._exchanges.time.used_s(turn.at) >= self.open_question.soft_s,
            classify=classify,
        )
        decided = self._decide(
            read.given, before=before, number=len(first), words=read.words, more=read.more
        )
        return [*first, decided]

    def _reopening(self) -> tuple[list[Decided], Dialogue]:
        """Return the event that comes before a turn in an interview that was missed, if any."""
        if not self._reopens:
            return [], self.state
        first = self._decide(self.beginning())
        return [first], fold([first.record], self.state)

    def heard(self, move: Move, share: float, detail: Detail | None = None) -> list[Decided]:
        """Return the decisions for an utterance that is over: `share` of it was heard.

        If the utterance follows no decision yet (the greeting, or a repetition), the event with
        which the interviewer began comes first. An utterance that a later decision has replaced
        changes nothing.
        """
        if move.decision not in (-1, self._due.decision):
            return []
        decided: list[Decided] = []
        before = self.state
        for given in self._first_of(move):
            decided.append(self._decide(given, before=before, number=len(decided)))
            before = fold([decided[-1].record], before)
        over = Happening(event=Event.PROMPT_DONE, detail=detail, share=share)
        more = {"turn": True}
        decided.append(self._decide(over, before=before, number=len(decided), more=more))
        return decided

    def _first_of(self, move: Move) -> list[Happening]:
        """Return the events that led to an utterance and are not recorded yet."""
        if self._due.prompt is None:
            return [self.beginning()]
        asked = str(self.state.facts.get(Fact.HEARD_QUESTION) or "")
        due = self._due.move(self._due.prompt, self.state)
        by_model = move.role is Role.FOLLOW_UP is not due.role and move.question_id == asked
        return [Happening(event=Event.FOLLOW_UP)] if by_model else []

    def happened(self, given: Happening) -> Decided:
        """Return the decision for an event other than the end of an utterance."""
        return self._decide(given)

    @property
    def can_withdraw(self) -> bool:
        """True if the due utterance would be withdrawn if the candidate continued an answer."""
        withdrawn = self._decide(Happening(event=Event.WITHDRAWN))
        return withdrawn.record.to != self.state.place

    def act_of(self, text: str) -> Act | None:
        """Return the request in a piece of the candidate's speech; None if it has none."""
        return self._reader.act_of(text, self.state, self._due.spoken.since)

    def _decide(
        self,
        given: Input,
        *,
        before: Dialogue | None = None,
        number: int = 0,
        words: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> Decided:
        state = self.state if before is None else before
        step = decide(state, given, self.view)
        seq = self._seq + number + 1
        kept = record(state, given, step, seq=seq, token=self.token() or 0, **(more or {}))
        return Decided(given=given, step=step, record=kept, words=words)

    # --- what was decided ---------------------------------------------------------------------

    def again(self, decided: Sequence[Decided]) -> list[Decided]:
        """Decide inputs again, because another event was recorded after their decision."""
        found: list[Decided] = []
        before = self.state
        for each in decided:
            more = each.record.more
            found.append(self._decide(each.given, before=before, number=len(found), more=more))
            before = fold([found[-1].record], before)
        return found

    def apply(self, decided: Sequence[Decided], turn: CommittedTurn | None = None) -> None:
        """Apply decisions whose records are stored; `turn` is the turn that they are about."""
        self._continues = False
        for each in decided:
            self._apply(each)
        if decided:  # from now on, this job itself has been interrupted
            self.resumes_after = Detail.OUTAGE
        self._reopens = False
        if turn is not None:
            self._note(turn, decided)

    def copy(self) -> DialogueTracker:
        """Return a tracker of the same state, whose decisions do not change this one."""
        other = copy.copy(self)
        vars(other).update(
            records=list(self.records),
            _due=self._due.copy(),
            _exchanges=self._exchanges.copy(),
        )
        return other

    def restore(self, records: Sequence[Record], turn: CommittedTurn | None) -> None:
        """Apply records that an earlier job has stored; `turn` is the turn that they are about."""
        self._continues = True
        decided: list[Decided] = []
        for each in records:
            given = each.given() or Happening(event=Event.PLAN_ENDED)
            step = step_of(each, fold([each], self.state))
            text = request_in(turn.text if turn is not None else "", each.more.get("also_from"))
            self._apply(Decided(given=given, step=step, record=each, words=text))
            decided.append(Decided(given=given, step=step, record=each))
        self._reopens = self.has_ended and self.outcome in REOPENED
        if turn is not None:
            self._note(turn, decided)

    def restore_late(self, records: Sequence[Record], turn: CommittedTurn | None) -> None:
        """Apply records that a job has written after it had lost its lease: their words count.

        `turn` is the turn that they are about. What the job has decided changes nothing, because
        another job held the interview.
        """
        for each in records:
            late = replace(each, late=True)
            self.state = fold([late], self.state)
            self.records.append(late)
            self._seq = max(self._seq, late.seq)
        if turn is not None and turn.speaker == "candidate":
            self._exchanges.add_answer(turn, {each.question for each in records})

    def _apply(self, each: Decided) -> None:
        place = self.state.place
        self.state = fold([each.record], self.state)
        self.records.append(each.record)
        self._seq = max(self._seq, each.record.seq)
        moved = self.state.place != place
        self._due.apply(each, self.state, number=self._seq, moved=moved)

    def _note(self, turn: CommittedTurn, decided: Sequence[Decided]) -> None:
        """Note what a turn adds to the prompts, answers and times of its question."""
        if turn.speaker == "candidate":
            self._exchanges.answered(turn, {each.record.question for each in decided})
            return
        self._due.learn(turn, self.state)
        self._exchanges.prompted(turn, self.state)
