"""Where a new interviewer continues: its place, and what it says first."""

from __future__ import annotations

from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import AT_QUESTION, Phase, Place, Status
from worker.interview.dialogue.state import Dialogue

#: What is said again in a place outside the questions.
OWN_QUESTIONS = {
    Phase.GREETING: Move.DISCLOSE,
    Phase.SOUND_CHECK: Move.CHECK_SOUND,
    Phase.CONSENT: Move.ASK_CONSENT,
    Phase.CONFIRMING_END: Move.CONFIRM_END,
    Phase.CANDIDATE_QUESTIONS: Move.ANYTHING_ELSE,
    Phase.FAREWELL: Move.GOODBYE,
}


def resumed(state: Dialogue) -> tuple[Place, tuple[Move, ...]]:
    """Return the place from which a new interviewer continues, and its moves there.

    A side sequence is dropped, because a yes to a question of the interviewer before answers
    nothing. The wish to stop is never dropped: the confirmation is asked again.
    """
    place = state.place
    if place.phase in (Phase.WAITING, Phase.CLARIFYING, Phase.ENDED):
        place = state.base
    if place.phase is Phase.ARRIVING:
        return place, ()
    if place.phase not in AT_QUESTION:
        if place.phase is Phase.FAREWELL and not state.owed:
            return Place(Phase.ENDED), ()
        return place, (OWN_QUESTIONS[place.phase],)
    status = state.standing(place.question).status
    if place.phase is Phase.LISTENING and status is Status.PARTLY:
        return place, (Move.GO_ON, Move.FULL)
    return Place(Phase.ASKING, place.question), (Move.FULL,)
