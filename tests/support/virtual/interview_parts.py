"""Plans and turns for the interview tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from states import Conditions, Event
from tests.support.virtual.async_steps import done
from tests.support.virtual.job_parts import FakeStage, fake_context
from worker.interview.orchestrator import CommittedTurn, Move
from worker.interview.plan.plan import Plan, Question

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LONG = "a long answer of more than eight words in all of it"
SHORT = "we tried it"


def question(number: int, *, follow_ups: int = 0, allowed: int | None = None) -> Question:
    return Question(
        id=f"q{number}",
        text=f"What about the matter of number {number}?",
        follow_ups=tuple(f"And what of part {n} of {number}?" for n in range(follow_ups)),
        follow_ups_allowed=follow_ups if allowed is None else allowed,
    )


def plan_of(*questions: Question, language: str = "en") -> Plan:
    return Plan(
        title="A plan",
        opening="Hello and welcome. We have all the time that we need.",
        questions=questions or (question(0), question(1), question(2)),
        closing="Thank you and goodbye, it was good to talk to you.",
        language=language,
    )


class Talk:
    """Builds the committed turns of an interview, by default one second apart."""

    def __init__(self) -> None:
        self.turns: list[CommittedTurn] = []
        self.at = START

    def asked(self, move: Move, heard: float = 1.0, *, after_s: float = 1.0) -> Talk:
        """Append a turn of the interviewer; `heard` is the fraction of it that was heard."""
        self.at += timedelta(seconds=after_s)
        text = move.text if heard >= 1 else move.text[: round(heard * len(move.text))]
        self.turns.append(
            CommittedTurn(
                speaker="interviewer",
                text=text,
                at=self.at,
                question_id=move.question_id,
                role=move.role,
                generated=move.text,
                interrupted=heard < 1,
            )
        )
        return self

    def answered(self, text: str = LONG, *, after_s: float = 1.0, cut_off: bool = False) -> Talk:
        """Append a turn of the candidate."""
        self.at += timedelta(seconds=after_s)
        said = CommittedTurn(speaker="candidate", text=text, at=self.at, interrupted=cut_off)
        self.turns.append(said)
        return self


class WatchedJob:
    """The parts of a job that an application uses."""

    def __init__(self) -> None:
        self.transport = FakeStage(fake_context(), lambda _: None)
        self.keep_turn = done
        kinds = ("refusal", "rung", "hearing", "away", "lasted", "fault", "typed_refused")
        self.recorder = SimpleNamespace(**{kind: lambda *_: None for kind in kinds})
        self.last_records: list[Any] = []
        self.after_session = self.last_records.append
        self.report = lambda _: None
        self.fired: list[Event] = []
        self.ended: list[str] = []
        self.listeners: list[Any] = []
        self.carried_s: list[float] = []
        self.life = SimpleNamespace(
            fire=self._fire,
            post=self.fired.append,
            carry_over=self.carried_s.append,
            subscribe=self.listeners.append,
            conditions=Conditions(),
            journal=SimpleNamespace(append=lambda *_, **__: {}),
            t=0.0,
        )

    async def end(self, name: str) -> None:
        self.ended.append(name)

    async def _fire(self, event: Event) -> None:
        self.fired.append(event)
