"""A successor's dialogue, from what earlier jobs have stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tests.support.virtual.interview_parts import LONG, START, plan_of, question
from worker.interview.decided import Decided
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.journal_record import fields_of, from_journal
from worker.interview.restored import restored
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn, Move
from worker.store.turns import Turn

PLAN = plan_of(question(0), question(1), question(2))


class Stored:
    """A job's dialogue, with the journal records and turns that it stores."""

    def __init__(self, job_id: str, tracker: DialogueTracker) -> None:
        self.job_id = job_id
        self.tracker = tracker
        self.dialogue: list[tuple[str, dict[str, Any]]] = []
        self.turns: list[Turn] = []
        self._seq = 0

    def asks(self, *, late: bool = False, recorded: bool = True) -> Stored:
        """Say the next utterance to its end."""
        move = self.tracker.next_move()
        said = self._turn("interviewer", move.text, role=move.role.value, generated=move.text)
        self._store(self.tracker.heard(move, 1.0), said, late=late, recorded=recorded)
        return self

    def answered(self, text: str = LONG, *, late: bool = False, recorded: bool = True) -> Stored:
        """Take an answer of the candidate."""
        said = self._turn("candidate", text)
        self._store(self.tracker.answered(said[0]), said, late=late, recorded=recorded)
        return self

    def noted(self, event: Event) -> Stored:
        """Record an event, about which nothing is said."""
        decided = self.tracker.happened(Happening(event=event))
        self._keep([decided])
        self.tracker.apply([decided])
        return self

    def says(self, move: Move) -> Stored:
        """Say an utterance that another decision has replaced, so that it has no records."""
        assert self.tracker.heard(move, 1.0) == []
        more = {"role": move.role.value, "generated": move.text, "question_id": move.question_id}
        self._keep_turn(self._turn("interviewer", move.text, **more)[1])
        return self

    def _turn(self, speaker: Any, text: str, **more: Any) -> tuple[CommittedTurn, dict[str, Any]]:
        asked = self.tracker.open_question.id
        fields = {"speaker": speaker, "text": text, "at": START + timedelta(seconds=self._seq)}
        said = CommittedTurn(**fields, question_id=asked, generated=more.get("generated", ""))
        return said, {**fields, "role": None, "generated": None, "question_id": asked, **more}

    def _store(
        self, decided: list[Decided], said: tuple[CommittedTurn, Any], *, late: bool, recorded: bool
    ) -> None:
        self._keep(decided if recorded else ())
        self._keep_turn(said[1], late=late)
        self.tracker.apply(decided, said[0])

    def _keep_turn(self, said: dict[str, Any], *, late: bool = False) -> None:
        self._seq += 1
        turn = Turn(
            interview_id="iv-1",
            job_id=self.job_id,
            seq=self._seq,
            heard=None,
            interrupted=False,
            late=late,
            **said,
        )
        self.turns.append(turn)

    def _keep(self, decided: Sequence[Decided]) -> None:
        for each in decided:
            self._seq += 1
            entry = {"seq": self._seq, "kind": "dialogue", **fields_of(each.record)}
            self.dialogue.append((self.job_id, entry))


def after(*jobs: Stored) -> DialogueTracker:
    """Return the dialogue after everything that the jobs have stored."""
    turns = [turn for job in jobs for turn in job.turns]
    return restored(PLAN, turns, [entry for job in jobs for entry in job.dialogue])


def test_a_dialogue_record_has_the_token_of_the_lease() -> None:
    tracker = DialogueTracker(PLAN)
    without = tracker.heard(tracker.next_move(), 1.0)
    assert {each.record.token for each in without} == {0}
    tracker.token = lambda: 7
    job = Stored("AJ_1", tracker).asks()
    assert {from_journal(entry).token for _, entry in job.dialogue} == {7}


def test_what_a_job_says_without_its_lease_does_not_move_the_dialogue() -> None:
    first = Stored("AJ_1", DialogueTracker(PLAN)).asks().answered("first " + LONG).asks()
    second = Stored("AJ_2", after(first)).asks()
    place = second.tracker.state.place
    first.answered("second " + LONG, late=True).asks(late=True)
    again = after(first, second)
    assert again.state.place == place
    assert again.next_move().question_id == "q1"


def test_the_words_of_an_answer_that_a_job_took_without_its_lease_belong_to_the_question() -> None:
    first = Stored("AJ_1", DialogueTracker(PLAN)).asks()
    second = Stored("AJ_2", after(first)).asks()
    first.answered("before the takeover " + LONG, late=True)
    again = after(first, second)
    assert len(again.state.answers["q0"]) == 1
    assert again.exchange("q0").answers == ("before the takeover " + LONG,)
    assert again.records[-len(second.dialogue) - 1].late
    assert again.state.place == second.tracker.state.place


def test_a_late_turn_without_records_gives_its_words_and_nothing_else() -> None:
    first = Stored("AJ_1", DialogueTracker(PLAN)).asks()
    second = Stored("AJ_2", after(first)).asks()
    first.answered(late=True, recorded=False).asks(late=True, recorded=False)
    again = after(first, second)
    assert again.exchange("q0").answers == (LONG,)
    assert again.state.place == second.tracker.state.place


def test_a_job_without_turns_keeps_its_place_among_the_jobs() -> None:
    first = Stored("AJ_1", DialogueTracker(PLAN)).asks().answered().asks()
    second = Stored("AJ_2", after(first)).noted(Event.LEFT).noted(Event.GRACE_OVER)
    third = Stored("AJ_3", after(first, second)).asks().answered().asks()
    again = after(first, second, third)
    assert second.tracker.has_ended
    assert not again.has_ended
    assert again.state == third.tracker.state


def test_an_utterance_that_another_decision_has_replaced_moves_nothing() -> None:
    job = Stored("AJ_1", DialogueTracker(PLAN)).asks().answered()
    withdrawn = job.tracker.next_move()
    job.noted(Event.WITHDRAWN).says(withdrawn)
    again = after(job)
    assert withdrawn.question_id == "q1"
    assert again.state == job.tracker.state
    assert again.next_number == job.tracker.next_number
