"""The interviewer's sentences besides the questions, with their defaults.

A default sentence states only facts about the software. The plan of a company states the facts
about that company.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from worker.interview.plan.checked import Checked
from worker.interview.plan.validation import Text, seconds

SOUND_CHECK: Final = "Can you hear me well?"
STOPPED: Final = (
    "All right, we end here. What you said so far is kept. Thank you for your time, and goodbye."
)
POSTPONED: Final = (
    "All right, we end here for now. What you said so far is kept. Thank you, and goodbye."
)
MISSED: Final = "I have not heard from you for a while, so I leave now. Goodbye."


@dataclass(frozen=True, kw_only=True)
class Disclosure(Checked):
    """The sentences about the interviewer that come before the first question."""

    say: Text = (
        "I am an AI interviewer; what you say is written down; I do not know who reads it, "
        "the company can tell you."
    )


@dataclass(frozen=True, kw_only=True)
class Consent(Checked):
    """The question that asks for the candidate's consent."""

    ask: Text
    #: Said before the interview ends without the consent.
    refused: Text = "That is all right. Then we end here. Thank you, and goodbye."


@dataclass(frozen=True, kw_only=True)
class CandidateQuestions(Checked):
    """The part after the last question of the plan, in which the candidate may ask questions."""

    ask: Text = "What would you like to know, or add?"
    #: Time limit of this part (10 to 1800 s).
    longest_s: Annotated[float, seconds(10, 1800)] = 180.0
