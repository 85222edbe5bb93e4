"""The ends of an interview that its dialogue decides, beside the ends in states/table.py."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from states import Event, Outcome
from states.ends import End
from worker.interview.dialogue.phases import Outcome as Decided

#: The ends that the interview application declares, by name. A completed interview ends with the
#: event INTERVIEW_COMPLETED of the state table instead.
ENDS: Final[Mapping[str, End]] = MappingProxyType(
    {
        "questions_open": End(Outcome.INCOMPLETE, "QuestionsOpen"),
        "candidate_stopped": End(Outcome.STOPPED, "CandidateStopped"),
        "candidate_postponed": End(Outcome.POSTPONED, "CandidatePostponed"),
        "consent_refused": End(Outcome.REFUSED, "ConsentRefused"),
        "consent_withdrawn": End(Outcome.WITHDRAWN, "ConsentWithdrawn"),
        "person_requested": End(Outcome.HUMAN, "PersonRequested"),
        "candidate_missed": End(Outcome.MISSED, "CandidateMissed"),
        "questions_not_heard": End(Outcome.FAILED, "QuestionsNotHeard"),
    }
)
#: The meaning of each of these ends, in one sentence.
MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "questions_open": "The goodbye was said, but a mandatory question has no answer.",
        "candidate_stopped": "The candidate asked to end the interview, and confirmed it.",
        "candidate_postponed": "The candidate asked for another time, and confirmed it.",
        "consent_refused": "The candidate did not give the consent that the plan asks for.",
        "consent_withdrawn": "The candidate took the consent back.",
        "person_requested": "The candidate asked for a person instead of the AI interviewer.",
        "candidate_missed": "The candidate was silent or away until the goodbye was said.",
        "questions_not_heard": "Several questions could not be heard, for example over an echo.",
    }
)
#: The name in `ENDS` of each outcome of a dialogue except COMPLETED.
_NAMES: Final[Mapping[Decided, str]] = MappingProxyType(
    {
        Decided.INCOMPLETE: "questions_open",
        Decided.STOPPED: "candidate_stopped",
        Decided.POSTPONED: "candidate_postponed",
        Decided.REFUSED: "consent_refused",
        Decided.WITHDRAWN: "consent_withdrawn",
        Decided.HUMAN: "person_requested",
        Decided.MISSED: "candidate_missed",
        Decided.FAILED: "questions_not_heard",
    }
)


def end_of(outcome: Decided) -> Event | str:
    """Return the event or the name in `ENDS` with which a job ends after this outcome."""
    return Event.INTERVIEW_COMPLETED if outcome is Decided.COMPLETED else _NAMES[outcome]
