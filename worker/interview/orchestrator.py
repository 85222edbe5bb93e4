"""What the interviewer does next: decided by the plan and the committed turns, nothing else.

Pure: the same turns give the same move, however often and by whomever it is asked. So
livekit may ask twice for one turn, and a new interviewer that reads the turns of one that died
goes on at the same place. A language model has no more than the leeway that is given here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from worker.interview.plan import Plan, Question
from worker.interview.sentences import sentences

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
    """The interviewer's next utterance, as it is spoken."""

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
    #: What has been asked and heard: the question, then follow-ups; the open one is the last.
    prompts: tuple[str, ...] = ()
    #: What the candidate has said to them, in pieces.
    answers: tuple[str, ...] = ()
    #: Words of the answer to the open prompt.
    words: int = 0
    answered: bool = False
    #: When the question was asked, for the last time before anything was answered.
    asked_at: datetime | None = None
    last_at: datetime | None = None
    greeted: bool = False
    #: How often goodbye was cut off before it was heard.
    goodbyes_cut_off: int = 0
    closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Leeway:
    """What a language model may do at one place of the interview."""

    #: The plan's own next utterance.
    move: Move
    place: Place
    #: Words that ask nothing may be spoken before the move.
    acknowledge: bool = False
    #: So many follow-ups of its own may be asked, the first of them now, instead of the move.
    follow_ups_left: int = 0


def place_in(plan: Plan, turns: Iterable[Said]) -> Place:
    """Read the committed turns from the first to the last."""
    index_of = {question.id: index for index, question in enumerate(plan.questions)}
    place = Place()
    for turn in turns:
        if turn.speaker == "candidate":
            place = _answered(place, turn)
        elif turn.role is Role.CLOSING:
            place = _parted(place, turn, plan)
        else:
            index = index_of.get(turn.question_id or "", place.question)
            place = _asked(place, turn, index, plan.questions[index])
    return place


def _answered(place: Place, turn: Said) -> Place:
    words = len(turn.text.split())
    # What is said over a question that was not heard answers nothing, nor does silence.
    answers = place.asked and words > 0
    return replace(
        place,
        words=place.words + words,
        # One that the end of the session cut off is asked to go on, with what was said in mind.
        answered=place.answered or (answers and not turn.interrupted),
        answers=(*place.answers, turn.text) if answers else place.answers,
        last_at=turn.at,
    )


def _parted(place: Place, turn: Said, plan: Plan) -> Place:
    if _was_heard(turn, of=len(plan.closing.strip())):
        return replace(place, closed=True)
    cut_off = place.goodbyes_cut_off + 1
    return replace(place, goodbyes_cut_off=cut_off, closed=cut_off >= MOST_REPEATS)


def _asked(place: Place, turn: Said, index: int, question: Question) -> Place:
    place = replace(place, greeted=True)
    if index != place.question:
        place = Place(question=index, greeted=True)
    # What comes before a question, as the greeting, may be cut off: the question counts.
    prompt = _prompt_in(turn, question)
    if not _was_heard(turn, of=len(prompt)):
        return replace(place, cut_off=place.cut_off + 1)
    begun = place.follow_ups > 0 or place.answered
    return replace(
        place,
        asked=True,
        answered=False,
        cut_off=0,
        # What was said before it was asked again, as half an answer, is part of the answer.
        words=place.words if place.asked and turn.role is Role.REPEAT else 0,
        follow_ups=place.follow_ups + (turn.role is Role.FOLLOW_UP),
        prompts=place.prompts if prompt in place.prompts else (*place.prompts, prompt),
        asked_at=place.asked_at if begun else turn.at,
        last_at=turn.at,
    )


def _prompt_in(turn: Said, question: Question) -> str:
    """The part of an utterance that asks: the plan's own words, or a model's last sentence."""
    if turn.role is Role.OPENING:
        return question.text.strip()
    generated = turn.generated.strip()
    own = (text.strip() for text in (question.text, *question.follow_ups))
    asked = max((text for text in own if generated.endswith(text)), key=len, default="")
    return asked or (sentences(generated) or ("",))[-1]


def _was_heard(turn: Said, *, of: int | None = None) -> bool:
    """Whether enough was heard of the last `of` characters of an utterance, or of all of it."""
    if not turn.interrupted:
        return bool(turn.text.strip())
    of = len(turn.generated) if of is None else of
    unheard = len(turn.generated) - len(turn.text)
    return bool(turn.text.strip()) and unheard <= (1 - HEARD_ENOUGH) * of


def next_move(plan: Plan, turns: Iterable[Said]) -> Move:
    """The interviewer's next utterance after `turns`, in the plan's own words."""
    return _move_at(plan, place_in(plan, turns))


def leeway(plan: Plan, turns: Iterable[Said]) -> Leeway:
    """The next move after `turns`, and what a language model may do with it.

    The greeting and what is said again are the plan's alone, and so is the order: whatever the
    model says, the questions come as they would without it.
    """
    place = place_in(plan, turns)
    move = _move_at(plan, place)
    reacts = move.role in (Role.QUESTION, Role.FOLLOW_UP, Role.CLOSING)
    if not (reacts and place.asked and place.answered and place.goodbyes_cut_off == 0):
        return Leeway(move=move, place=place)
    question = plan.questions[place.question]
    left = max(0, question.follow_ups_allowed - place.follow_ups)
    if place.cut_off >= MOST_REPEATS or _seconds_left(question, place) <= 0:
        left = 0
    return Leeway(move=move, place=place, acknowledge=True, follow_ups_left=left)


def _move_at(plan: Plan, place: Place) -> Move:
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


def _follow_up(plan: Plan, question: Question, place: Place) -> str | None:
    """The plan's next follow-up: for a short answer, while one is allowed and there is time."""
    if place.cut_off >= MOST_REPEATS or place.follow_ups >= question.follow_ups_allowed:
        return None
    if place.words >= plan.short_answer_words or _seconds_left(question, place) <= 0:
        return None
    return next((text for text in question.follow_ups if text.strip() not in place.prompts), None)


def _seconds_left(question: Question, place: Place) -> float:
    if place.asked_at is None or place.last_at is None:
        return question.longest_time_s
    return question.longest_time_s - (place.last_at - place.asked_at).total_seconds()


def seconds_left(plan: Plan, turns: Iterable[Said]) -> float:
    """Of the time for the question that is being talked about; below 0 where it is over."""
    place = place_in(plan, turns)
    return _seconds_left(plan.questions[place.question], place)


def open_question(plan: Plan, turns: Iterable[Said]) -> Question:
    """The question that is being talked about."""
    return plan.questions[place_in(plan, turns).question]
