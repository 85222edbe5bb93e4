"""An interview on virtual time, as its jobs store it: its turns and its dialogue records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from states.journal import MemoryJournal
from tests.support.virtual.interview_parts import START
from worker.interview.decided import Decided
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.journal_record import append
from worker.interview.plan.plan import Plan
from worker.interview.restored import restored
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn
from worker.store.turns import Turn


class StoredDialogue:
    """Holds an interview, and keeps what its jobs store. The first job is `AJ_1`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.turns: list[Turn] = []
        self.dialogue: list[tuple[str, dict[str, Any]]] = []
        self.tracker = DialogueTracker(plan)
        self._job = 1
        self._journal = MemoryJournal()

    def next_job(self) -> None:
        """Continue the interview in another job, which reads what is stored."""
        self._job += 1
        self._journal = MemoryJournal()
        self.tracker = restored(self.plan, self.turns, self.dialogue)

    def asks(self) -> str:
        """Let the interviewer say what is due; return the text, which was heard as a whole."""
        move = self.tracker.next_move()
        decided = self.tracker.heard(move, 1.0)
        role = move.role.value
        said = self._said("interviewer", move.text, move.question_id, decided, role=role)
        self.tracker.apply(decided, said)
        return move.text

    def answers(self, text: str) -> None:
        """Let the candidate say `text`, and the interviewer what follows."""
        question = self.tracker.open_question.id
        said = CommittedTurn(speaker="candidate", text=text, at=self._at, question_id=question)
        decided = self.tracker.answered(said)
        self._said("candidate", text, question, decided)
        self.tracker.apply(decided, said)
        while self.tracker.has_due:
            self.asks()

    def breaks_off(self, text: str) -> None:
        """Let the candidate say `text`, of which the job stores only the partial answer."""
        self._said("candidate", text, self.tracker.open_question.id, [], interrupted=True)

    def ends(self) -> None:
        """Let the goodbye be over."""
        decided = self.tracker.happened(Happening(event=Event.QUIET))
        self._keep([decided])
        self.tracker.apply([decided])

    @property
    def _at(self) -> Any:
        return START + timedelta(seconds=10 * len(self.turns))

    def _keep(self, decided: list[Decided]) -> None:
        for each in decided:
            entry = append(self._journal, 0.0, each.record)
            self.dialogue.append((f"AJ_{self._job}", dict(entry)))

    def _said(
        self,
        speaker: Any,
        text: str,
        question_id: str | None,
        decided: list[Decided],
        *,
        role: str | None = None,
        interrupted: bool = False,
    ) -> CommittedTurn:
        self._keep(decided)
        entry = self._journal.append("turn", 0.0, speaker=speaker)
        turn = Turn(
            interview_id="one",
            job_id=f"AJ_{self._job}",
            seq=entry["seq"],
            at=self._at,
            speaker=speaker,
            question_id=question_id,
            role=role,
            text=text,
            generated=text,
            heard=text,
            interrupted=interrupted,
            late=False,
        )
        self.turns.append(turn)
        return CommittedTurn(
            speaker=speaker,
            text=text,
            at=turn.at,
            question_id=question_id,
            generated=text,
            interrupted=interrupted,
        )
