"""The inputs of the dialogue table: a turn of the candidate, or an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail, Event


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A committed turn of the candidate, with its act.

    Only the record contains the text of the turn.
    """

    act: Act
    #: A request in the same turn as an answer. Only a turn with the act ANSWER has one.
    also: Act | None = None
    #: Number of words that belong to an answer.
    words: int = 0
    #: Ids of the points of the question that the words cover.
    points: tuple[str, ...] = ()
    #: The share of the interviewer's utterance that was heard when the turn began.
    share: float = 1.0
    #: The question that GO_BACK names; empty if the candidate names none.
    about: str = ""
    #: True if an outage or the end of the job cut the turn off, so that more of it may be missing.
    cut: bool = False
    #: True if the time of the question was used up when the turn ended.
    time_over: bool = False


@dataclass(frozen=True, kw_only=True)
class Happening:
    """An event, with its detail."""

    event: Event
    detail: Detail | None = None
    #: PROMPT_DONE: the share of the utterance (of a prompt: of its question) that was heard.
    share: float = 1.0


Input: TypeAlias = Turn | Happening
