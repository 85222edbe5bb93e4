"""The state of a dialogue, computed by `fold` from the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Phase, Place, Standing

Scalar: TypeAlias = str | int | bool

#: Counters of the whole interview. All others count in one visit of a question.
INTERVIEW_WIDE: Final = frozenset(
    {
        "greeting",
        "go_back",
        "offer_postpone",
        "ABOUT_YOU",
        "ABOUT_DATA",
        "ABOUT_TIME",
        "HUMAN",
        "OBJECT_RECORDING",
        "STOP",
        "POSTPONE",
        "PACE",
        "noaudio",
        "silence",
        "side_run",
        "not_heard",
        "consent",
        "consent_again",
        "consent_unclear",
        "sound_check",
        "returned",
        "sound_silence",
        "candidate_question",
        "candidate_turn",
        "goodbye",
        "farewell_turn",
        "farewell_social",
        "echo",
        "WITHDRAW_CONSENT",
        "confirm_unheard",
    }
)


class Fact(StrEnum):
    """Names of the facts in a dialogue's state, such as whether the candidate gave consent."""

    #: The disclosure was heard, or delivered in writing.
    DISCLOSED = "disclosed"
    #: "yes" once the candidate gave consent.
    CONSENT = "consent"
    #: Utterances are also written from now on.
    WRITTEN = "written"
    #: The candidate does not want to be recorded.
    UNRECORDED = "unrecorded"
    ABSENT = "absent"
    #: The outcome that the goodbye stands for.
    OUTCOME = "outcome"
    #: 2 once a deferred question is asked again.
    ROUND = "round"
    #: The question that the last SKIP, LATER or NO_ANSWER closed, with the status before.
    UNDO = "undo"
    #: The question that is asked again after a GO_BACK.
    BACK_TO = "back_to"
    #: The prompt that was withdrawn because the candidate went on: `q2`, or `q2|probe`.
    WITHDRAWN = "withdrawn"
    #: The question whose prompt was heard last. Words that begin now belong to it.
    HEARD_QUESTION = "heard_question"
    #: The last utterance was heard.
    LINE_HEARD = "line_heard"
    #: The optional questions were dropped because the time of the interview is used up.
    DROPPED = "dropped"
    #: A soft time of the current question was reached; no more probes.
    SOFT = "soft"
    #: The candidate is ready for questions: CANDIDATE_QUESTIONS was entered once.
    QUESTIONS_OFFERED = "questions_offered"


_NOT_BEGUN, _FIRST_BASE = Place(Phase.ARRIVING), Place(Phase.GREETING)


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """State of a dialogue: the current place, the status of each question, counters and facts."""

    place: Place = _NOT_BEGUN
    #: The place to which a side sequence returns.
    base: Place = _FIRST_BASE
    standings: Mapping[str, Standing] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    #: The moves of the last utterance that was decided, and the row that decided it.
    said: tuple[Move, ...] = ()
    said_by: str = ""
    #: Numbers of the records whose words belong to the answer of each question.
    answers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: Numbers of the records whose words are additions, notes, or belong to no question.
    others: tuple[int, ...] = ()

    @property
    def owed(self) -> tuple[Move, ...]:
        """The moves of the last utterance if the utterance was not heard; otherwise empty."""
        return () if self.facts.get(Fact.LINE_HEARD, True) else self.said

    @property
    def question(self) -> str:
        """The id of the current question; empty in a phase without a question."""
        return self.place.question

    def standing(self, question: str) -> Standing:
        """Return the status of a question, and the reason for the status."""
        return self.standings.get(question, Standing())

    def visit(self, question: str) -> int:
        """Return how often the interviewer has come to a question so far; 0 for never."""
        return self.counters.get(f"visit@{question}", 0)

    def key(self, name: str) -> str:
        """Return the key of a counter in `counters`.

        Unless the counter is for the whole interview, the key contains the current question and
        visit.
        """
        if name in INTERVIEW_WIDE or "@" in name:
            return name
        return f"{name}@{self.question or '-'}#{self.visit(self.question)}"

    def count(self, name: str) -> int:
        """Return the value of a counter."""
        return self.counters.get(self.key(name), 0)
