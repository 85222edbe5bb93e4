"""Where an interviewer that takes over a dialogue continues, and what it says first."""

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
    """Return the place from which a new interviewer continues, and the moves that it says there.

    A side sequence such as "Shall we skip it?" is not continued, because the new interviewer has
    not asked this question. If the previous interviewer asked the candidate to confirm the end of
    the interview, the new interviewer asks again.
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
    answering = status is Status.PARTLY and state.count("words") > 0
    if place.phase is Phase.LISTENING and answering:
        return place, (Move.GO_ON, Move.FULL)
    return Place(Phase.ASKING, place.question), (Move.FULL,)
