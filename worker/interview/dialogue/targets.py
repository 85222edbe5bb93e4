"""Functions that compute the next place after a row, and the moves to say at that place."""

from __future__ import annotations

from worker.interview.dialogue.inputs import Turn
from worker.interview.dialogue.moment import Moment
from worker.interview.dialogue.moves import AGAIN, PROMPTS, Move
from worker.interview.dialogue.phases import (
    AT_QUESTION,
    Kind,
    Outcome,
    Phase,
    Place,
    Status,
)
from worker.interview.dialogue.resume import OWN_QUESTIONS, resumed
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.state import Fact

#: The interviewer's own question of each kind of CLARIFYING.
_KIND_QUESTIONS = {
    Kind.REPEAT: Move.REPEAT_IT,
    Kind.SKIP: Move.SKIP_OR_LATER,
    Kind.THERE: Move.ARE_YOU_THERE,
    Kind.READY: Move.ARE_YOU_READY,
    Kind.PAUSE: Move.OFFER_BREAK,
    Kind.LANGUAGE: Move.OTHER_LANGUAGE,
    Kind.READBACK: Move.READ_BACK,
}


def place_after(moment: Moment, row: Row) -> Place:
    """Return the place that follows `row`. The effects of the row must have been applied before."""
    to = row.to
    if to is Way.STAY:
        return _stay(moment, row)
    if to is Way.NEXT:
        return _next(moment)
    if to is Way.RETURN:
        return _back(moment, moment.before.base)
    if to is Way.AGAIN:
        base = moment.before.base
        return Place(Phase.ASKING, base.question) if base.phase in AT_QUESTION else base
    if to is Way.RESUME:
        return _ended(moment, resumed(moment.before)[0])
    if to is Way.TARGET:
        said = PROMPTS.intersection(row.moves)
        return Place(Phase.ASKING if said else Phase.LISTENING, moment.target)
    phase, kind = to if isinstance(to, tuple) else (to, "")
    assert isinstance(phase, Phase)  # noqa: S101  # a Way was handled above
    about = phase in (*AT_QUESTION, Phase.WAITING, Phase.CLARIFYING)
    question = moment.place.question or moment.before.base.question
    return _ended(moment, Place(phase, question if about else "", str(kind)))


def _stay(moment: Moment, row: Row) -> Place:
    """Return the next place of a row whose target is STAY.

    If a turn in a side sequence is handled by a row of another phase, the side sequence ends.
    """
    place = moment.place
    if moment.heard_now:
        return Place(Phase.LISTENING, place.question)
    side = place.phase in (Phase.WAITING, Phase.CLARIFYING)
    of_side = row.at == place.phase or (isinstance(row.at, tuple) and row.at[0] is place.phase)
    if side and not of_side and isinstance(moment.given, Turn):
        return _back(moment, moment.before.base)
    return place


def _back(moment: Moment, base: Place) -> Place:
    if base.phase not in AT_QUESTION:
        return base
    phase = Phase.LISTENING if moment.was_heard(base.question) else Phase.ASKING
    return Place(phase, base.question)


def _ended(moment: Moment, place: Place) -> Place:
    if place.phase is not Phase.ENDED:
        return place
    return Place(Phase.ENDED, "", str(moment.fact(Fact.OUTCOME) or _outcome(moment)))


def _next(moment: Moment) -> Place:
    """Return the place for the target NEXT, and change the counters and facts accordingly."""
    if moment.plan.consent and not moment.fact(Fact.CONSENT):
        return Place(Phase.CONSENT)
    question = _next_question(moment)
    if question:
        if not moment.before.visit(question):
            moment.add(f"visit@{question}")
        return Place(Phase.ASKING, question)
    if moment.plan.candidate_questions and not moment.fact(Fact.QUESTIONS_OFFERED):
        moment.set_fact(Fact.QUESTIONS_OFFERED, True)
        moment.set_count("silence", 0)
        return Place(Phase.CANDIDATE_QUESTIONS)
    if not moment.fact(Fact.OUTCOME):
        moment.set_fact(Fact.OUTCOME, _outcome(moment))
    return Place(Phase.FAREWELL)


def _next_question(moment: Moment) -> str:
    left_for = str(moment.fact(Fact.BACK_TO) or "")
    if left_for:
        moment.set_fact(Fact.BACK_TO, False)
        return left_for
    ids = [question.id for question in moment.plan.questions]
    for each in ids:
        now = moment.standing(each)
        if now.status is Status.OPEN or (now.status is Status.NOT_REACHED and not now.reason):
            return each
    deferred = next((q for q in ids if moment.standing(q).status is Status.DEFERRED), "")
    if deferred:
        moment.set_fact(Fact.ROUND, 2)
        # A prompt that was withdrawn comes again: this is the same visit, with its counters.
        if not moment.count(f"second_round@{deferred}"):
            moment.set_count(f"second_round@{deferred}", 1)
            moment.add(f"visit@{deferred}")
    return deferred


def _outcome(moment: Moment) -> Outcome:
    done = (Status.ANSWERED, Status.DECLINED)
    complete = all(
        moment.standing(q.id).status in done for q in moment.plan.questions if q.mandatory
    )
    return Outcome.COMPLETED if complete else Outcome.INCOMPLETE


def spoken(moment: Moment, row: Row, to: Place) -> tuple[Move, ...]:
    """Return the moves that the interviewer says for a row, adapted to the next place `to`."""
    moves = list(row.moves)
    if row.to is Way.RESUME:
        moves += resumed(moment.before)[1]
        return tuple(moves) if to.phase not in (Phase.ARRIVING, Phase.ENDED) else ()
    own = _own_question(moment, to)
    moves = [own if move in (Move.NEXT, Move.SAME) else move for move in moves]
    if to.phase in AT_QUESTION:
        return tuple(_at_question(moment, row, to, moves))
    if to.phase in OWN_QUESTIONS or to.phase is Phase.CLARIFYING:
        again = AGAIN.intersection(moves)
        moves = [move for move in moves if move not in AGAIN]
        side = moment.place.phase in (Phase.WAITING, Phase.CLARIFYING, Phase.CONFIRMING_END)
        due = again or (row.moves and row.to is Way.STAY) or (side and to == moment.before.base)
        if due and own not in moves and to.phase is not Phase.FAREWELL:
            moves.append(own)
    return tuple(moves)


def _at_question(moment: Moment, row: Row, to: Place, moves: list[Move]) -> list[Move]:
    """Add the full prompt to the moves at a question, if the prompt is still unheard."""
    if to.phase is Phase.LISTENING or PROMPTS.intersection(moves):
        return moves
    if not moves and not isinstance(moment.given, Turn):
        return moves  # the prompt is still in the air
    return [*(move for move in moves if move is not Move.LAST), Move.FULL]


def _own_question(moment: Moment, place: Place) -> Move:
    """Return what the interviewer asks at a place."""
    if place.phase is Phase.CLARIFYING:
        return _KIND_QUESTIONS[Kind(place.kind)]
    if place.phase is Phase.CANDIDATE_QUESTIONS and place != moment.place:
        back = moment.before.base == place
        return Move.ANYTHING_ELSE if back else Move.OFFER_QUESTIONS
    if place.phase in AT_QUESTION:
        again = moment.was_heard(place.question)
        return Move.FULL if again else Move.ASK
    return OWN_QUESTIONS.get(place.phase, Move.GOODBYE)
