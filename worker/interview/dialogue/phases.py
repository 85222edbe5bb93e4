"""The phases of a dialogue, the places in it, and what became of each question.

A phase defines what the candidate's next words answer. A situation has a phase of its own only if
the same words mean something else in this situation: "yes" after "Shall I skip it?" answers no
question of the plan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from states.text_enum import TextEnum


class Phase(TextEnum):
    """A phase of the dialogue, with a text on what the candidate's words answer in the phase."""

    ARRIVING = "ARRIVING", "nothing: nobody is there, or nobody can be heard"
    GREETING = "GREETING", "nothing: greeting and disclosure are being said"
    SOUND_CHECK = "SOUND_CHECK", "'Can you hear me well?'"
    CONSENT = "CONSENT", "the consent question of the plan"
    ASKING = "ASKING", "the question heard last; the next question or probe is being said"
    LISTENING = "LISTENING", "the question or its probe"
    WAITING = "WAITING", "nothing: the candidate asked for time"
    CLARIFYING = "CLARIFYING", "the interviewer's own question about the conversation"
    CONFIRMING_END = "CONFIRMING_END", "'Shall we end here?'"
    CANDIDATE_QUESTIONS = "CANDIDATE_QUESTIONS", "'What would you like to know, or add?'"
    FAREWELL = "FAREWELL", "the goodbye"
    ENDED = "ENDED", "nothing"


class Kind(TextEnum):
    """The subject of a side sequence, which is an exchange outside the plan's questions.

    Only the phases CLARIFYING, WAITING and CONFIRMING_END have a kind.
    """

    REPEAT = "repeat", "Shall I repeat it?"
    SKIP = "skip", "Shall we skip it?"
    THERE = "there", "Are you there?"
    READY = "ready", "Are you ready?"
    PAUSE = "pause", "Would you like a break?"
    LANGUAGE = "language", "Shall we go on in another language?"
    READBACK = "readback", "Did I write this down correctly?"
    THINK = "think", "time to think"
    BREAK = "break", "a break"
    STOP = "stop", "Shall we end here?"
    POSTPONE = "postpone", "Shall we do it another time?"
    CONSENT = "consent", "Without consent we cannot go on. Shall we end?"
    HUMAN = "human", "Shall we end, so that a person contacts you?"
    WITHDRAWN = "withdrawn", "Shall we end, since you take the consent back?"


#: The kinds that each phase with kinds can have.
KINDS: Final = {
    Phase.WAITING: (Kind.THINK, Kind.BREAK),
    Phase.CLARIFYING: (
        Kind.REPEAT,
        Kind.SKIP,
        Kind.THERE,
        Kind.READY,
        Kind.PAUSE,
        Kind.LANGUAGE,
        Kind.READBACK,
    ),
    Phase.CONFIRMING_END: (Kind.STOP, Kind.POSTPONE, Kind.CONSENT, Kind.HUMAN, Kind.WITHDRAWN),
}
#: The phases that are about one question.
AT_QUESTION: Final = (Phase.ASKING, Phase.LISTENING)
#: The phases to which a side sequence returns.
BASES: Final = (
    Phase.GREETING,
    Phase.SOUND_CHECK,
    Phase.CONSENT,
    Phase.ASKING,
    Phase.LISTENING,
    Phase.CANDIDATE_QUESTIONS,
)


class Outcome(StrEnum):
    """How a dialogue ends."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    STOPPED = "stopped"
    POSTPONED = "postponed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    HUMAN = "human"
    MISSED = "missed"
    FAILED = "failed"


#: The outcomes after which another job can continue the interview, each with the reasons of the
#: questions that are open again then.
REOPENED: Final = {
    Outcome.POSTPONED: ("stopped",),
    Outcome.MISSED: ("silent", "left"),
    Outcome.FAILED: ("not_heard",),
}
#: The outcome of each kind of end that the candidate can confirm.
CONFIRMED: Final = {
    Kind.STOP: Outcome.STOPPED,
    Kind.POSTPONE: Outcome.POSTPONED,
    Kind.CONSENT: Outcome.REFUSED,
    Kind.HUMAN: Outcome.HUMAN,
    Kind.WITHDRAWN: Outcome.WITHDRAWN,
}

_PLACE: Final = re.compile(r"([A-Z_]+)(?::([^()]+))?(?:\((\w+)\))?")


@dataclass(frozen=True)
class Place:
    """Position in the dialogue: phase, question and kind, written as `CLARIFYING:q1(skip)`."""

    phase: Phase
    question: str = ""
    #: A `Kind`; for ENDED an `Outcome`.
    kind: str = ""

    def __str__(self) -> str:
        """Return the place as text, in the format that `parse` reads."""
        question = f":{self.question}" if self.question else ""
        return f"{self.phase}{question}" + (f"({self.kind})" if self.kind else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Convert the text of `__str__` to a place. Raises ValueError if the text is no place."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a position in a dialogue, such as LISTENING:q1")
        phase, question, kind = found.groups("")
        return cls(Phase(phase), question, kind)


def place_of(text: str) -> Place | None:
    """Convert a text to a place; return None for a place that only another version has."""
    try:
        return Place.parse(text)
    except ValueError:
        return None


class Status(TextEnum):
    """Status of a question in the dialogue, such as open, answered or declined."""

    NOT_REACHED = "not_reached", "the question was not asked"
    NOT_HEARD = "not_heard", "the question was asked, but never heard"
    OPEN = "open", "the question was heard, and nothing was said"
    PARTLY = "partly", "something was said, and the answer may go on"
    ANSWERED = "answered", "the question is answered"
    DECLINED = "declined", "the candidate skipped it or has no answer"
    DEFERRED = "deferred", "the candidate wants to answer later"
    UNUSABLE = "unusable", "the answer could not be understood"
    UNANSWERED = "unanswered", "the question ended without an answer"


@dataclass(frozen=True)
class Standing:
    """Status of a question, and the reason for the status, such as skipped, time or silent."""

    status: Status = Status.NOT_REACHED
    reason: str = ""
