"""The interviewer's next move, computed from the plan and the committed turns alone.

Pure: the same turns always give the same move. So livekit may ask twice for one turn, and a new
interviewer that reads the turns of a lost one continues at the same place. A language model may
change only what `LlmAllowance` allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from worker.interview.plan.plan import Plan, Question
from worker.interview.sentences import sentences

#: Share of a prompt that must be heard. A prompt that was cut off earlier is asked again.
HEARD_ENOUGH = 0.5
#: Most times that a prompt is spoken if it is cut off each time. The same holds for the closing.
MOST_REPEATS = 3


class Role(StrEnum):
    """Purpose of an interviewer's turn."""

    #: Greeting and first question.
    OPENING = "opening"
    QUESTION = "question"
    FOLLOW_UP = "follow_up"
    #: The same prompt again: it was cut off, or is not answered yet.
    REPEAT = "repeat"
    #: Thanks and goodbye.
    CLOSING = "closing"
    #: Nothing is left to say.
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class CommittedTurn:
    """A committed turn, with the fields that the plan needs."""

    speaker: Literal["candidate", "interviewer"]
    #: The candidate's words, or the part of the interviewer's words that was heard.
    text: str
    at: datetime
    question_id: str | None = None
    role: Role | None = None
    #: The full text of an interviewer's turn.
    generated: str = ""
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Move:
    """The interviewer's next utterance."""

    role: Role
    text: str = ""
    question_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanPosition:
    """Position of the interview in its plan."""

    #: Index of the current question.
    question: int = 0
    #: True once enough of the open prompt was heard for an answer.
    asked: bool = False
    #: Times that the last prompt was cut off before enough of it was heard.
    cut_off: int = 0
    follow_ups: int = 0
    #: Prompts that were heard: the question, then follow-ups. The last one is open.
    prompts: tuple[str, ...] = ()
    #: Pieces of the candidate's answers to them.
    answers: tuple[str, ...] = ()
    #: Number of words in the answer to the open prompt.
    words: int = 0
    answered: bool = False
    #: Time at which the question was last asked before its first answer.
    asked_at: datetime | None = None
    last_at: datetime | None = None
    greeted: bool = False
    #: Times that the closing was cut off before enough of it was heard.
    goodbyes_cut_off: int = 0
    closed: bool = False


@dataclass(frozen=True, kw_only=True)
class LlmAllowance:
    """Limits on what a language model may say at one place of the interview."""

    #: The plan's own next utterance.
    move: Move
    place: PlanPosition
    #: True if an acknowledgement, which asks nothing, may precede the move.
    acknowledge: bool = False
    #: Number of its own follow-ups that the model may still ask, the first instead of the move.
    follow_ups_left: int = 0


def position_in(plan: Plan, turns: Iterable[CommittedTurn]) -> PlanPosition:
    """Return the position in the plan after the committed turns, given in order."""
    index_of = {question.id: index for index, question in enumerate(plan.questions)}
    place = PlanPosition()
    for turn in turns:
        if turn.speaker == "candidate":
            place = _answered(place, turn)
        elif turn.role is Role.CLOSING:
            place = _parted(place, turn, plan)
        else:
            index = index_of.get(turn.question_id or "", place.question)
            place = _asked(place, turn, index, plan.questions[index])
    return place


def _answered(place: PlanPosition, turn: CommittedTurn) -> PlanPosition:
    words = len(turn.text.split())
    # Speech over a question that was not heard does not answer it. An empty turn does not either.
    answers = place.asked and words > 0
    return replace(
        place,
        words=place.words + words,
        # An interrupted answer is kept, but the question is asked again.
        answered=place.answered or (answers and not turn.interrupted),
        answers=(*place.answers, turn.text) if answers else place.answers,
        last_at=turn.at,
    )


def _parted(place: PlanPosition, turn: CommittedTurn, plan: Plan) -> PlanPosition:
    if _was_heard(turn, of=len(plan.closing.strip())):
        return replace(place, closed=True)
    cut_off = place.goodbyes_cut_off + 1
    return replace(place, goodbyes_cut_off=cut_off, closed=cut_off >= MOST_REPEATS)


def _asked(
    place: PlanPosition, turn: CommittedTurn, index: int, question: Question
) -> PlanPosition:
    place = replace(place, greeted=True)
    if index != place.question:
        place = PlanPosition(question=index, greeted=True)
    # Only the question must be heard. Text before it, such as the greeting, may be cut off.
    prompt = _prompt_in(turn, question)
    if not _was_heard(turn, of=len(prompt)):
        return replace(place, cut_off=place.cut_off + 1)
    begun = place.follow_ups > 0 or place.answered
    return replace(
        place,
        asked=True,
        answered=False,
        cut_off=0,
        # A partial answer before a repeat counts as part of the answer.
        words=place.words if place.asked and turn.role is Role.REPEAT else 0,
        follow_ups=place.follow_ups + (turn.role is Role.FOLLOW_UP),
        prompts=place.prompts if prompt in place.prompts else (*place.prompts, prompt),
        asked_at=place.asked_at if begun else turn.at,
        last_at=turn.at,
    )


def _prompt_in(turn: CommittedTurn, question: Question) -> str:
    """Return the part of an utterance that asks: the plan's words, or the last sentence."""
    if turn.role is Role.OPENING:
        return question.text.strip()
    generated = turn.generated.strip()
    own = (text.strip() for text in (question.text, *question.follow_ups))
    asked = max((text for text in own if generated.endswith(text)), key=len, default="")
    return asked or (sentences(generated) or ("",))[-1]


def _was_heard(turn: CommittedTurn, *, of: int | None = None) -> bool:
    """Return whether enough was heard of an utterance, or of its last `of` characters."""
    if not turn.interrupted:
        return bool(turn.text.strip())
    of = len(turn.generated) if of is None else of
    unheard = len(turn.generated) - len(turn.text)
    return bool(turn.text.strip()) and unheard <= (1 - HEARD_ENOUGH) * of


def next_move(plan: Plan, turns: Iterable[CommittedTurn]) -> Move:
    """Return the interviewer's next utterance after `turns`, in the plan's own words."""
    return _move_at(plan, position_in(plan, turns))


def leeway(plan: Plan, turns: Iterable[CommittedTurn]) -> LlmAllowance:
    """Return the next move after `turns`, and what a language model may do with it.

    The greeting and repeats are always in the plan's words. The plan alone sets the order:
    whatever the model says, the questions come as they would without it.
    """
    place = position_in(plan, turns)
    move = _move_at(plan, place)
    reacts = move.role in (Role.QUESTION, Role.FOLLOW_UP, Role.CLOSING)
    if not (reacts and place.asked and place.answered and place.goodbyes_cut_off == 0):
        return LlmAllowance(move=move, place=place)
    question = plan.questions[place.question]
    left = max(0, question.follow_ups_allowed - place.follow_ups)
    if place.cut_off >= MOST_REPEATS or _seconds_left(question, place) <= 0:
        left = 0
    return LlmAllowance(move=move, place=place, acknowledge=True, follow_ups_left=left)


def _move_at(plan: Plan, place: PlanPosition) -> Move:
    question = plan.questions[place.question]
    if place.closed:
        return Move(role=Role.DONE)
    if not place.greeted:
        text = f"{plan.opening.strip()} {question.text.strip()}"
        return Move(role=Role.OPENING, text=text, question_id=question.id)
    if not place.asked and place.cut_off < MOST_REPEATS:
        return _ask(Role.REPEAT, question)
    if place.asked and not place.answered:
        return _ask(Role.REPEAT, question, place.prompts[-1])
    follow_up = _follow_up(plan, question, place)
    if follow_up is not None:
        return _ask(Role.FOLLOW_UP, question, follow_up)
    if place.question + 1 < len(plan.questions):
        return _ask(Role.QUESTION, plan.questions[place.question + 1])
    return Move(role=Role.CLOSING, text=plan.closing.strip())


def _ask(role: Role, question: Question, prompt: str = "") -> Move:
    return Move(role=role, text=prompt.strip() or question.text.strip(), question_id=question.id)


def _follow_up(plan: Plan, question: Question, place: PlanPosition) -> str | None:
    """Return the plan's next follow-up if the answer is short, one is allowed, and time is left."""
    if place.cut_off >= MOST_REPEATS or place.follow_ups >= question.follow_ups_allowed:
        return None
    if place.words >= plan.short_answer_words or _seconds_left(question, place) <= 0:
        return None
    return next((text for text in question.follow_ups if text.strip() not in place.prompts), None)


def _seconds_left(question: Question, place: PlanPosition) -> float:
    if place.asked_at is None or place.last_at is None:
        return question.longest_time_s
    return question.longest_time_s - (place.last_at - place.asked_at).total_seconds()


def seconds_left(plan: Plan, turns: Iterable[CommittedTurn]) -> float:
    """Return the seconds left for the current question; negative once its time is over."""
    place = position_in(plan, turns)
    return _seconds_left(plan.questions[place.question], place)


def open_question(plan: Plan, turns: Iterable[CommittedTurn]) -> Question:
    """Return the current question."""
    return plan.questions[position_in(plan, turns).question]
