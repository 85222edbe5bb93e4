"""The interviewer's next utterance, computed from the plan and the committed turns alone.

The functions have no side effects, so the same turns always give the same utterance. Therefore
livekit may request the reply to one turn twice, and a new interviewer that has read the committed
turns continues at the same position in the plan. A language model may change only what
`LlmAllowance` allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from worker.interview.plan.plan import Plan, Question
from worker.interview.sentences import sentences

#: Share of a question, of a follow-up or of the closing that the candidate must hear. If the
#: candidate heard less, the interviewer speaks the same text again.
HEARD_ENOUGH = 0.5
#: Maximum number of times that a question, a follow-up or the closing is spoken, if each attempt is
#: cut off.
MOST_REPEATS = 3

#: Who said a turn.
Speaker: TypeAlias = Literal["candidate", "interviewer"]


class Role(StrEnum):
    """Purpose of an interviewer's turn."""

    #: Greeting and first question.
    OPENING = "opening"
    QUESTION = "question"
    FOLLOW_UP = "follow_up"
    #: A repetition of the last question or follow-up, which was cut off or is not answered yet.
    REPEAT = "repeat"
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


@dataclass(frozen=True, kw_only=True)
class PlanPosition:
    """Position of the interview in its plan."""

    #: Index of the current question.
    question: int = 0
    #: True once the candidate heard enough of the current question or follow-up to answer it.
    asked: bool = False
    #: Number of times that the last question or follow-up was cut off before the candidate heard
    #: enough of the text.
    cut_off: int = 0
    follow_ups: int = 0
    #: The current question and its follow-ups, as far as the candidate has heard them, in order.
    #: The last entry is the text that the candidate has to answer now.
    prompts: tuple[str, ...] = ()
    #: Texts of the candidate's turns that answer an entry of `prompts`.
    answers: tuple[str, ...] = ()
    #: Number of words in the answer to the last entry of `prompts`.
    words: int = 0
    answered: bool = False
    #: Time at which the current question was asked. If the question was repeated before the first
    #: answer, the time of the last repetition.
    asked_at: datetime | None = None
    last_at: datetime | None = None
    greeted: bool = False
    #: Number of times that the closing was cut off before enough of the closing was heard.
    goodbyes_cut_off: int = 0
    closed: bool = False


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


def position_in(plan: Plan, turns: Iterable[CommittedTurn]) -> PlanPosition:
    """Return the position in the plan after the committed turns, which are given in order."""
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
    # An empty turn does not count as an answer, nor does speech before the question was heard.
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
    # Only the question must be heard. Text before the question, such as the greeting, may be cut
    # off.
    prompt = _prompt_in(turn, question)
    if not _was_heard(turn, of=len(prompt)):
        return replace(place, cut_off=place.cut_off + 1)
    begun = place.follow_ups > 0 or place.answered
    return replace(
        place,
        asked=True,
        answered=False,
        cut_off=0,
        # Words that were said before the question was repeated count as part of the answer.
        words=place.words if place.asked and turn.role is Role.REPEAT else 0,
        follow_ups=place.follow_ups + (turn.role is Role.FOLLOW_UP),
        prompts=place.prompts if prompt in place.prompts else (*place.prompts, prompt),
        asked_at=place.asked_at if begun else turn.at,
        last_at=turn.at,
    )


def _prompt_in(turn: CommittedTurn, question: Question) -> str:
    """Return the question or follow-up at the end of an utterance.

    If the utterance ends with a question or follow-up of the plan, return that text, else return
    the last sentence.
    """
    if turn.role is Role.OPENING:
        return question.text.strip()
    generated = turn.generated.strip()
    own = (text.strip() for text in (question.text, *question.follow_ups))
    asked = max((text for text in own if generated.endswith(text)), key=len, default="")
    return asked or (sentences(generated) or ("",))[-1]


def _was_heard(turn: CommittedTurn, *, of: int | None = None) -> bool:
    """Return whether enough of an utterance, or of its last `of` characters, was heard."""
    if not turn.interrupted:
        return bool(turn.text.strip())
    of = len(turn.generated) if of is None else of
    unheard = len(turn.generated) - len(turn.text)
    return bool(turn.text.strip()) and unheard <= (1 - HEARD_ENOUGH) * of


def next_move(plan: Plan, turns: Iterable[CommittedTurn]) -> Move:
    """Return the interviewer's next utterance after `turns`, in the plan's own words."""
    return _move_at(plan, position_in(plan, turns))


def leeway(plan: Plan, turns: Iterable[CommittedTurn]) -> LlmAllowance:
    """Return the interviewer's next utterance, and how far a language model may rephrase it.

    The greeting and repeated questions are never rephrased. The plan alone sets the order of the
    questions.
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
    """Return the plan's next follow-up; None if no follow-up may be asked.

    A follow-up is asked only if the answer is short, a follow-up is allowed, and time is left.
    """
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
    """Return the seconds left for the current question; negative once the time is over."""
    place = position_in(plan, turns)
    return _seconds_left(plan.questions[place.question], place)


def open_question(plan: Plan, turns: Iterable[CommittedTurn]) -> Question:
    """Return the current question."""
    return plan.questions[position_in(plan, turns).question]
