"""The result of classifying a turn, and the act that a language model may add to the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from worker.interview.dialogue.acts import Act

#: `act_by` of a turn in which no pattern was found.
BY_DEFAULT: Final = "default"
#: `act_by` of a request that a language model proposed.
BY_MODEL: Final = "model"

#: The acts that close a question, end the interview, or change what is recorded.
LOSING: Final = frozenset(
    {
        Act.SKIP,
        Act.LATER,
        Act.STOP,
        Act.POSTPONE,
        Act.WITHDRAW_CONSENT,
        Act.OBJECT_RECORDING,
        Act.HUMAN,
        Act.NO_ANSWER,
    }
)
#: The acts that a model may propose. After each of them the question is still open.
MODEL_MAY_PROPOSE: Final = frozenset(
    {
        Act.REPEAT,
        Act.NOT_UNDERSTOOD,
        Act.REPHRASE,
        Act.CLARIFY,
        Act.STALL,
        Act.WAIT,
        Act.ABOUT_YOU,
        Act.ABOUT_DATA,
        Act.ABOUT_TIME,
        Act.ABOUT_JOB,
        Act.ABOUT_RESULT,
        Act.CANNOT_HEAR,
        Act.PACE,
        Act.DISTRESS,
    }
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The state of the dialogue in which the candidate said a turn."""

    #: The name of the phase, such as LISTENING.
    phase: str = "LISTENING"
    #: The kind of the phase, such as skip; empty if the phase has no kinds.
    kind: str = ""
    #: The kind of answer that the plan expects, such as yes_no; empty if it says nothing.
    expects: str = ""
    #: The interviewer's line before the turn.
    asked: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The act of a turn and, if the turn is an answer, an additional request in the turn."""

    act: Act
    #: A request besides the answer. Only a reading with the act ANSWER has one.
    also: Act | None = None
    #: Index of the first character of that request in the text. None if it is unknown.
    also_from: int | None = None
    #: The id of the pattern, `BY_MODEL` or `BY_DEFAULT`.
    act_by: str = BY_DEFAULT


def accept_proposal(reading: Reading, proposed: str) -> Reading:
    """Return the reading, with the act that a language model proposed if this act is allowed.

    The proposed act is used only if no pattern matched, and only if the act leaves the question
    open. The act is added as a request, and the words still count as an answer, so that a wrong
    proposal loses nothing.
    """
    if reading.act_by != BY_DEFAULT or proposed not in MODEL_MAY_PROPOSE:
        return reading
    return replace(reading, also=Act(proposed), act_by=BY_MODEL)
