"""Upper limit of the interviewer's utterances in one interview, whatever the candidate does."""

from __future__ import annotations

from typing import Final

from worker.interview.dialogue.guards import (
    CUT_GOES_ON,
    MOST_CANDIDATE_TURNS,
    MOST_GONE_BACK,
    MOST_RETURNS,
    MOST_UNDONE,
    MOST_WITHDRAWN,
    SIDE_GOES_ON,
)
from worker.interview.dialogue.plan_view import PlanView

#: Utterances before the first question: greeting, sound check and consent with their repeats.
_BEGINNING: Final = 30
#: At most 14 wishes to end or offers of another time, each with at most 5 utterances.
_CONFIRMATIONS: Final = 70
#: Goodbyes, microphone hints and the headphones hint.
_END: Final = 15


def most_utterances(plan: PlanView) -> int:
    """Return the maximum number of utterances, apart from those that resume an interview.

    Each question is visited at most twice (the second time if it was deferred), and the candidate
    can go back to an earlier question `MOST_GONE_BACK` times. In a visit, each time the phase
    ASKING begins, the prompt is said at most `CUT_GOES_ON` times. After at most `SIDE_GOES_ON` side
    moves, such as clarifications, the dialogue goes on to the next question.
    """
    visits = 2 * len(plan.questions) + MOST_GONE_BACK
    probes = max(max(q.probes_allowed, q.follow_ups_allowed) for q in plan.questions)
    entries = 1 + probes + MOST_WITHDRAWN + 2 * MOST_UNDONE
    in_a_visit = entries * CUT_GOES_ON + SIDE_GOES_ON
    fixed = _BEGINNING + _CONFIRMATIONS + _END + MOST_RETURNS + 2 * MOST_CANDIDATE_TURNS
    return visits * in_a_visit + fixed


#: An answer with more words gets one probe for a missing point at most.
LONG_ANSWER_WORDS: Final = 40
