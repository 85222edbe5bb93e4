"""Decisions for turns that were stored without dialogue records, as version 0.1.0 stores them.

Such a turn of the candidate counts as an answer. Such a turn of the interviewer leads to the
question that it names, even if the table of the dialogue would have asked something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from worker.interview.dialogue.events import Detail
from worker.interview.dialogue.phases import Phase, Place, Standing, Status
from worker.interview.dialogue.records import Record
from worker.interview.heard_share import asked_in, share_heard
from worker.interview.plan.plan import Plan
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn, Move, Role

#: The row of the record with which a turn of an earlier version moves the dialogue.
ROW: Final = "earlier_version"


def tracked(plan: Plan, turns: Iterable[CommittedTurn]) -> DialogueTracker:
    """Return a tracker after turns that have no dialogue records."""
    tracker = DialogueTracker(plan)
    for turn in turns:
        take_earlier(tracker, turn)
    return tracker


def take_earlier(tracker: DialogueTracker, turn: CommittedTurn) -> None:
    """Apply a turn that has no dialogue records."""
    if turn.speaker == "candidate":
        tracker.apply(tracker.answered(turn, classify=False), turn)
        return
    if turn.role in (None, Role.SIDE, Role.DONE):
        return  # a role that this version does not know, or a line that asks nothing of the plan
    due = tracker.next_move()
    if not _fits(due, turn):
        tracker.restore([_moved(tracker, turn)], None)
        due = tracker.next_move()
    asking = due.asking if due.role is Role.OPENING else asked_in(turn.generated, tracker.plan)
    if turn.role is Role.CLOSING:
        asking = tracker.plan.closing.strip()
    whole = not turn.interrupted and bool(turn.text.strip())
    share = 1.0 if whole else share_heard(turn.text, turn.generated, asking)
    detail = Detail.CUT if turn.interrupted else None
    said = replace(
        due,
        role=turn.role or due.role,
        text=turn.generated,
        question_id=turn.question_id or due.question_id,
    )
    tracker.apply(tracker.heard(said, share, detail), turn)


def _fits(due: Move, turn: CommittedTurn) -> bool:
    if turn.role is Role.CLOSING or due.role in (Role.CLOSING, Role.DONE):
        return turn.role is due.role or (turn.role is Role.FOLLOW_UP and due.role is Role.CLOSING)
    prompts = (Role.OPENING, Role.QUESTION, Role.REPEAT, Role.FOLLOW_UP)
    if due.role not in prompts:
        return False
    named = turn.question_id in (None, due.question_id)
    return named or (turn.role is Role.FOLLOW_UP and due.role is Role.QUESTION)


def _moved(tracker: DialogueTracker, turn: CommittedTurn) -> Record:
    """Return a record that moves the dialogue to the place in which the turn was said."""
    state = tracker.state
    ids = [each.id for each in tracker.plan.questions]
    question = turn.question_id if turn.question_id in ids else tracker.open_question.id
    to = Place(Phase.FAREWELL) if turn.role is Role.CLOSING else Place(Phase.ASKING, question)
    before = ids if turn.role is Role.CLOSING else ids[: ids.index(question)]
    standings = {
        each: Standing(Status.ANSWERED if state.count(f"said@{each}") else Status.UNANSWERED)
        for each in before
        if state.standing(each).status
        in (Status.NOT_REACHED, Status.OPEN, Status.PARTLY, Status.DEFERRED)
    }
    visits = {} if turn.role is Role.CLOSING else {f"visit@{question}": state.visit(question) or 1}
    return Record(
        seq=tracker.next_number,
        kind="event",
        name="",
        phase=str(state.place),
        rows=(ROW,),
        to=to,
        standings=standings,
        counters=visits,
    )
