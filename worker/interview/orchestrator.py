"""What the interviewer does next: decided by the plan and the committed turns, nothing else.

Pure: the same turns give the same move, however often and by whomever it is asked. So a
language model may be asked twice for one turn, and a new interviewer that reads the turns of
one that died goes on at the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from worker.interview.plan import Plan, Question

#: A prompt cut off before so much of it was heard is asked again.
HEARD_ENOUGH = 0.5
#: A prompt is spoken so often, at the most, for being cut off; goodbye is said no oftener.
MOST_REPEATS = 3


class Role(StrEnum):
    """What an interviewer's turn was for."""

    #: Greeting and first question.
    OPENING = "opening"
    QUESTION = "question"
    FOLLOW_UP = "follow_up"
    #: The same question once more: it was cut off, or nobody has answered it yet.
    REPEAT = "repeat"
    #: Thanks and goodbye.
    CLOSING = "closing"
    #: Nothing is left to say.
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Said:
    """A committed turn, as far as the plan is concerned."""

    speaker: Literal["candidate", "interviewer"]
    #: The candidate's words; of the interviewer's, what was heard.
    text: str
    at: datetime
    question_id: str | None = None
    role: Role | None = None
    #: Of an interviewer's turn: all that was to be said.
    generated: str = ""
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Move:
    """The interviewer's next utterance, in the plan's own words."""

    role: Role
    text: str = ""
    question_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the plan the interview is."""

    #: Index of the question that is being talked about.
    question: int = 0
    #: The prompt that is open was heard well enough to be answered.
    asked: bool = False
    #: How often the last prompt was cut off before it was heard.
    cut_off: int = 0
    follow_ups: int = 0
    #: Words of the answer to the open prompt.
    words: int = 0
    answered: bool = False
    asked_at: datetime | None = None
    last_at: datetime | None = None
    greeted: bool = False
    #: How often goodbye was cut off before it was heard.
    goodbyes_cut_off: int = 0
    closed: bool = False


def place_in(plan: Plan, turns: Iterable[Said]) -> Place:
    """Read the committed turns from the first to the last."""
    place = Place()
    for turn in turns:
        if turn.speaker == "candidate":
            place = _answered(place, turn)
        elif turn.role is Role.CLOSING:
            place = _parted(place, turn)
        else:
            place = _asked(place, turn, plan)
    return place


def _answered(place: Place, turn: Said) -> Place:
    words = len(turn.text.split())
    # What is said over a question that was not heard answers nothing, nor does silence.
    answered = place.answered or (place.asked and words > 0)
    return replace(place, words=place.words + words, answered=answered, last_at=turn.at)


def _parted(place: Place, turn: Said) -> Place:
    if _was_heard(turn):
        return replace(place, closed=True)
    cut_off = place.goodbyes_cut_off + 1
    return replace(place, goodbyes_cut_off=cut_off, closed=cut_off >= MOST_REPEATS)


def _asked(place: Place, turn: Said, plan: Plan) -> Place:
    place = replace(place, greeted=True)
    index = next(
        (n for n, question in enumerate(plan.questions) if question.id == turn.question_id),
        place.question,
    )
    if index != place.question:
        place = Place(question=index, greeted=True)
    # The greeting before the first question may be cut off: it is the question that counts.
    prompt = plan.questions[index].text if turn.role is Role.OPENING else turn.generated
    if not _was_heard(turn, of=len(prompt)):
        return replace(place, cut_off=place.cut_off + 1)
    return replace(
        place,
        asked=True,
        answered=False,
        cut_off=0,
        words=0,
        follow_ups=place.follow_ups + (turn.role is Role.FOLLOW_UP),
        asked_at=place.asked_at or turn.at,
        last_at=turn.at,
    )


def _was_heard(turn: Said, *, of: int | None = None) -> bool:
    """Whether enough was heard of the last `of` characters of an utterance, or of all of it."""
    if not turn.interrupted:
        return bool(turn.text.strip())
    of = len(turn.generated) if of is None else of
    unheard = len(turn.generated) - len(turn.text)
    return bool(turn.text.strip()) and unheard <= (1 - HEARD_ENOUGH) * of


def next_move(plan: Plan, turns: Sequence[Said]) -> Move:
    """The interviewer's next utterance after `turns`."""
    place = place_in(plan, turns)
    question = plan.questions[place.question]
    if place.closed:
        return Move(role=Role.DONE)
    if not place.greeted:
        text = f"{plan.opening.strip()} {question.text.strip()}"
        return Move(role=Role.OPENING, text=text, question_id=question.id)
    if not place.asked and place.cut_off < MOST_REPEATS:
        return _ask(Role.REPEAT, question)
    if place.asked and not place.answered:
        return _ask(Role.REPEAT, question, _open_prompt(question, place))
    follow_up = _follow_up(plan, question, place)
    if follow_up is not None:
        return Move(role=Role.FOLLOW_UP, text=follow_up, question_id=question.id)
    if place.question + 1 < len(plan.questions):
        return _ask(Role.QUESTION, plan.questions[place.question + 1])
    return Move(role=Role.CLOSING, text=plan.closing.strip())


def _ask(role: Role, question: Question, prompt: str | None = None) -> Move:
    return Move(role=role, text=(prompt or question.text).strip(), question_id=question.id)


def _open_prompt(question: Question, place: Place) -> str:
    """What was asked last: the question, or the follow-up that has taken its place."""
    asked = question.follow_ups[: place.follow_ups]
    return asked[-1] if asked else question.text


def _follow_up(plan: Plan, question: Question, place: Place) -> str | None:
    """The plan's next follow-up: for a short answer, while one is allowed and there is time."""
    allowed = min(question.follow_ups_allowed, len(question.follow_ups))
    if place.cut_off >= MOST_REPEATS:
        return None
    if place.follow_ups >= allowed or place.words >= plan.short_answer_words:
        return None
    if _seconds_spent(place) >= question.longest_time_s:
        return None
    return question.follow_ups[place.follow_ups].strip()


def _seconds_spent(place: Place) -> float:
    if place.asked_at is None or place.last_at is None:
        return 0.0
    return (place.last_at - place.asked_at).total_seconds()


def open_question(plan: Plan, turns: Iterable[Said]) -> Question:
    """The question that is being talked about."""
    return plan.questions[place_in(plan, turns).question]
