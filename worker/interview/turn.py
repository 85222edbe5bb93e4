"""Committed turns, the interviewer's next utterance, and how far a model may change its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

#: Who said a turn.
Speaker: TypeAlias = Literal["candidate", "interviewer"]


class Role(StrEnum):
    """Purpose of an interviewer's turn."""

    #: The first utterance: the greeting, with the first question if nothing comes before it.
    OPENING = "opening"
    QUESTION = "question"
    FOLLOW_UP = "follow_up"
    #: A repetition of the last question or follow-up, which was cut off or is not answered yet.
    REPEAT = "repeat"
    #: Anything else, such as "Take your time."
    SIDE = "side"
    #: Thanks and goodbye.
    CLOSING = "closing"
    #: Nothing is left to say.
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class CommittedTurn:
    """A committed turn, with the fields that decide the interviewer's next utterance."""

    speaker: Speaker
    #: The candidate's words, or the part of the interviewer's words that the candidate heard.
    text: str
    at: datetime
    question_id: str | None = None
    role: Role | None = None
    #: The full text of an interviewer's turn, including words that the candidate did not hear.
    generated: str = ""
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Move:
    """The interviewer's next utterance."""

    role: Role
    text: str = ""
    question_id: str | None = None
    #: The part of the text that must be heard; empty for the whole text.
    asking: str = field(default="", compare=False)
    #: Number of the decision that this utterance follows from; -1 if it is not known.
    decision: int = field(default=-1, compare=False)
    #: True if the utterance is also written to the candidate.
    also_written: bool = field(default=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class PlanPosition:
    """What a language model is told of the question that was answered last."""

    #: Index of the question in the plan.
    question: int = 0
    #: The question and its follow-ups, as far as the candidate has heard them, in order.
    prompts: tuple[str, ...] = ()
    #: Texts of the candidate's turns that answer an entry of `prompts`.
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LlmAllowance:
    """Limits on the words of a language model at one position in the plan."""

    #: The interviewer's next utterance, in the plan's own words.
    move: Move
    place: PlanPosition
    #: True if the model may add words that acknowledge the answer before the text of `move`. The
    #: added words must not contain a question.
    acknowledge: bool = False
    #: Number of follow-ups that the model may ask in its own words about the current question. Such
    #: a follow-up replaces `move`.
    follow_ups_left: int = 0
