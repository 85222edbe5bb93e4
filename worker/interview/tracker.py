"""`DialogueTracker`: the dialogue of a running interview, and the utterance that is due in it.

The tracker classifies each turn of the candidate, lets the table of the dialogue decide, and turns
the decided moves into the next utterance. A decision is computed first (`decided`) and applied
after the journal has its records (`apply`). The tracker uses neither LiveKit nor a clock.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.classifier import Classifier, prepare
from worker.interview.dialogue.classify.language import TABLES
from worker.interview.dialogue.classify.reading import Context, Reading
from worker.interview.dialogue.decide import Step, decide
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.inputs import Happening, Input, Turn
from worker.interview.dialogue.moves import Move as Say
from worker.interview.dialogue.phases import REOPENED, Outcome, Phase, Status
from worker.interview.dialogue.plan_view import view_of
from worker.interview.dialogue.records import Record, record
from worker.interview.dialogue.state import Dialogue, Fact
from worker.interview.dialogue.wording.lines import has_lines, lines_of
from worker.interview.dialogue.wording.prompt import Part, Prompt, WordsBy
from worker.interview.dialogue.wording.references import points_covered, question_named
from worker.interview.dialogue.wording.replay import request_in, step_of
from worker.interview.dialogue.wording.spoken import Spoken
from worker.interview.dialogue.wording.wording import words_of
from worker.interview.plan.plan import Plan, Question
from worker.interview.sentences import sentences
from worker.interview.turn import CommittedTurn, Move, PlanPosition, Role

#: The moves that are not spoken here. A recorded clip says that an interviewer continues after an
#: interruption, and only a language model acknowledges an answer: prepared words would be the same
#: before every question.
_UNSPOKEN: Final = frozenset({Say.INTERRUPTED, Say.ACKNOWLEDGE})
_REPEATS: Final = frozenset({Say.FULL, Say.LAST, Say.UNHEARD_PART, Say.SLOWER, Say.REPHRASED})
_GOODBYES: Final = frozenset({Say.GOODBYE, Say.SHORT_GOODBYE})
#: How often the goodbye is said if each attempt is cut off.
MOST_GOODBYES: Final = 3


@dataclass(frozen=True)
class Decided:
    """An input with the step that the table decided for it, and its record."""

    given: Input
    step: Step
    record: Record
    #: The candidate's words of a request; the whole text if the turn has no request.
    words: str = ""


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
        self.spoken = Spoken()
        #: The utterance that was decided and not spoken yet; None while nothing is to be said.
        self._due: Prompt | None = None
        #: True if an earlier job has ended the interview in a way that lets this job continue it.
        self._reopens = False
        #: The share of the last utterance that the candidate has heard.
        self._share = 1.0
        self._classifier = _classifier_of(plan.language)
        #: What finds words of the plan in an answer; None in a language without prepared lines.
        self._lines = lines_of(plan.language) if has_lines(plan.language) else None
        self._asked = {question.id: question for question in plan.questions}
        self._seq = 0
        #: The number of the last decision that has changed the due utterance.
        self._decision = 0
        #: True until this interviewer has recorded something: all records are of earlier jobs.
        self._continues = True
        self._times = QuestionTime()
        #: The prompts of each question that were heard, and the answers to them.
        self._prompts: dict[str, list[str]] = {}
        self._answers: dict[str, list[str]] = {}

    # --- what is to be said -----------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """True if nothing is left to say."""
        place = self.state.place
        if place.phase is Phase.ENDED:
            return not self._reopens
        if place.phase is not Phase.FAREWELL or self._due is not None:
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
        return self._due is not None

    @property
    def next_number(self) -> int:
        """The number of the next record."""
        return self._seq + 1

    @property
    def open_question(self) -> Question:
        """The question of the plan that the candidate's words answer, else the nearest one."""
        place, base = self.state.place.question, self.state.base.question
        heard = str(self.state.facts.get(Fact.HEARD_QUESTION) or "")
        # Until the next prompt has begun, words still belong to the question before.
        order = (heard, place, base) if self._due is not None else (place, base, heard)
        known = {question.id: question for question in self.plan.questions}
        found = [known[question] for question in order if question in known]
        return found[0] if found else self.plan.questions[0]

    @property
    def seconds_left(self) -> float:
        """The seconds left for the current question at the last turn; negative afterwards."""
        return self.open_question.soft_s - self._times.used_s()

    def exchange(self, question: str) -> PlanPosition:
        """Return the prompts of a question that were heard, and the answers to them."""
        ids = [each.id for each in self.plan.questions]
        return PlanPosition(
            question=ids.index(question),
            prompts=tuple(self._prompts.get(question, ())),
            answers=tuple(self._answers.get(question, ())),
        )

    def next_move(self) -> Move:
        """Return the due utterance; if nothing is due, what an interviewer says that continues."""
        if self.is_over:
            return Move(role=Role.DONE)
        if self._due is not None:
            return self._move(self._due, self.state)
        first = self._decide(self.beginning())
        after = fold([first.record], self.state)
        return self._move(self._words(first, after), after)

    def beginning(self) -> Happening:
        """Return the event with which an interviewer begins or continues."""
        if self.state.place.phase is Phase.ARRIVING:
            return Happening(event=Event.PRESENT)
        absent = self.continues_after_absence or self.has_ended
        detail = Detail.ABSENCE if absent else self.resumes_after
        return Happening(event=Event.RESUMED, detail=detail)

    def _move(self, prompt: Prompt, after: Dialogue) -> Move:
        place = after.place
        question = place.question or after.base.question
        goodbye = place.phase is Phase.FAREWELL
        return Move(
            role=_role_of(prompt, goodbye=goodbye),
            text=prompt.text,
            question_id=None if goodbye else question or None,
            asking=prompt.asking,
            decision=self._decision,
            also_written=prompt.also_written,
        )

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
        reading = Reading(act=Act.ANSWER)
        if classify and not turn.interrupted and self._classifier is not None:
            reading = self._classifier.read(turn.text, self._context())
        answer = turn.text[: reading.also_from] if reading.also else turn.text
        request = turn.text[reading.also_from or 0 :]
        asked = self._asked.get(self.state.place.question)
        given = Turn(
            act=reading.act,
            also=reading.also,
            words=len(answer.split()),
            points=points_covered(answer, asked, self._lines) if asked and self._lines else (),
            about=self._named_in(request) if Act.GO_BACK in (reading.act, reading.also) else "",
            share=self._share if self.state.place.phase is Phase.ASKING else 1.0,
            cut=turn.interrupted,
            time_over=self._times.used_s(turn.at) >= self.open_question.soft_s,
        )
        more: dict[str, Any] = {"act_by": reading.act_by, "turn": True}
        if reading.also_from is not None:
            more["also_from"] = reading.also_from
        return [
            *first,
            self._decide(given, before=before, number=len(first), words=request, more=more),
        ]

    def _reopening(self) -> tuple[list[Decided], Dialogue]:
        """Return the event that comes before a turn in an interview that was missed, if any."""
        if not self._reopens:
            return [], self.state
        first = self._decide(self.beginning())
        return [first], fold([first.record], self.state)

    def _named_in(self, request: str) -> str:
        """Return the earlier question that a request names; empty if it names none."""
        heard = [each for each in self.plan.questions if self._was_asked(each.id)]
        return question_named(request, heard, self._lines) if self._lines is not None else ""

    def _was_asked(self, question: str) -> bool:
        unheard = (Status.NOT_REACHED, Status.NOT_HEARD)
        return self.state.standing(question).status not in unheard

    def heard(self, move: Move, share: float, detail: Detail | None = None) -> list[Decided]:
        """Return the decisions for an utterance that is over: `share` of it was heard.

        If the utterance follows no decision yet (the greeting, or a repetition), the event with
        which the interviewer began comes first. An utterance that a later decision has replaced
        changes nothing.
        """
        if move.decision not in (-1, self._decision):
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
        if self._due is None:
            return [self.beginning()]
        asked = str(self.state.facts.get(Fact.HEARD_QUESTION) or "")
        due = self._move(self._due, self.state)
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
        if self._classifier is None:
            return None
        reading = self._classifier.read(text, self._context())
        act = reading.also or reading.act
        return None if act is Act.ANSWER else act

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

    def _context(self) -> Context:
        place = self.state.place
        question = self.view.by_id.get(place.question)
        since = self.spoken.since
        return Context(
            phase=place.phase.value,
            kind=place.kind,
            expects=question.expects.value if question is not None else "",
            asked=since[-1] if since else "",
        )

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
            _times=replace(self._times),
            _prompts={question: list(texts) for question, texts in self._prompts.items()},
            _answers={question: list(texts) for question, texts in self._answers.items()},
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
            self._note_answer(turn, {each.question for each in records})

    def _apply(self, each: Decided) -> None:
        place = self.state.place
        self.state = fold([each.record], self.state)
        moved = self.state.place != place
        self.records.append(each.record)
        self._seq = max(self._seq, each.record.seq)
        prompt = self._words(each, self.state)
        self.spoken = self.spoken.then(each.given, prompt, self.state)
        event = each.given.event if isinstance(each.given, Happening) else None
        if event is Event.PROMPT_DONE:
            self._due, self._share = None, each.given.share
        elif event is Event.WITHDRAWN and moved:
            self._due = None
        if isinstance(each.given, Turn) and self.state.place.phase is Phase.ARRIVING:
            self._due = None  # the candidate can be greeted: nothing about the microphone is due
        if each.step.moves:
            self._due = prompt if prompt.text else None
            self._share = 0.0
        if event in (None, Event.PROMPT_DONE) or each.step.moves or moved:
            self._decision = self._seq

    def _words(self, each: Decided, after: Dialogue) -> Prompt:
        prompt = words_of(
            each.step,
            after,
            self.plan,
            given=each.given,
            words=each.words,
            spoken=self.spoken,
            seq=each.record.seq,
        )
        parts = tuple(part for part in prompt.parts if part.move not in _UNSPOKEN)
        return replace(prompt, parts=parts)

    def _note(self, turn: CommittedTurn, decided: Sequence[Decided]) -> None:
        """Note what a turn adds to the prompts, answers and times of its question."""
        question = self.state.place.question
        if turn.speaker == "candidate":
            self._times.last_at = turn.at
            self._note_answer(turn, {each.record.question for each in decided})
            return
        self._learn(turn)
        if self.state.place.phase is not Phase.LISTENING or not self.state.facts.get(
            Fact.LINE_HEARD
        ):
            return
        asked = asked_in(turn.generated, self.plan)
        prompts = self._prompts.setdefault(question, [])
        if turn.role is not Role.SIDE and asked not in prompts:
            prompts.append(asked)
        begun = self.state.count("probe") > 0 or self.state.count(f"said@{question}") > 0
        self._times.asked(question, turn.at, again=begun)

    def _note_answer(self, turn: CommittedTurn, questions: set[str]) -> None:
        for answer_to in questions - {""}:
            self._answers.setdefault(answer_to, []).append(turn.text)

    def _learn(self, turn: CommittedTurn) -> None:
        """Note the words of a follow-up that a language model has asked."""
        asked = asked_in(turn.generated, self.plan)
        question = self.state.place.question
        planned = [view.probes for view in self.view.questions if view.id == question]
        if turn.role is not Role.FOLLOW_UP or any(asked in probes for probes in planned):
            return
        number = self.state.count("probe")
        part = Part(
            move=Say.PROBE, text=asked, id=f"probe:{question}/model-{number}", by=WordsBy.MODEL
        )
        given = Happening(event=Event.FOLLOW_UP)
        spoken = self.spoken.then(given, Prompt(parts=(part,)), self.state)
        self.spoken = replace(spoken, since=self.spoken.since)


@dataclass
class QuestionTime:
    """The time of the current question, from its prompt to the last turn."""

    question: str = ""
    asked_at: datetime | None = None
    last_at: datetime | None = None

    def asked(self, question: str, at: datetime, *, again: bool) -> None:
        """Note that a question was heard. With `again`, a repetition keeps the earlier time."""
        if not again or question != self.question or self.asked_at is None:
            self.asked_at = at
        self.question, self.last_at = question, at

    def used_s(self, at: datetime | None = None) -> float:
        """Return the seconds from the prompt until `at`, by default until the last turn."""
        until = at or self.last_at
        if self.asked_at is None or until is None:
            return 0.0
        return (until - self.asked_at).total_seconds()


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


def _classifier_of(tag: str) -> Classifier | None:
    code = tag.partition("-")[0].lower()
    return prepare(code) if code in TABLES else None
