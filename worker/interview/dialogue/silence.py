"""The silence after which the event NOINPUT happens, for each place of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from worker.interview.dialogue.phases import AT_QUESTION, Kind, Phase
from worker.interview.dialogue.state import Dialogue

#: Seconds until the interviewer asks a candidate who wanted time to think, or a break.
THINK_S: Final = 60.0
BREAK_S: Final = 180.0
#: Seconds of silence after a question of the interviewer that is no question of the plan, by phase.
_OUTSIDE_S: Final = {
    Phase.SOUND_CHECK: 8.0,
    Phase.CONSENT: 15.0,
    Phase.CONFIRMING_END: 15.0,
    Phase.CANDIDATE_QUESTIONS: 10.0,
}


def noinput_after_s(
    state: Dialogue, levels_s: Sequence[float], factor: float = 1.0
) -> float | None:
    """Return the seconds from the last sound until the next NOINPUT; None if there is none.

    `levels_s` are the levels of the plan: the seconds of silence, in total, at which each of the
    sentences to a silent candidate is said. The sentences themselves do not count. `factor`
    multiplies all times except those that the candidate has asked for.
    """
    place = state.place
    if place.phase is Phase.WAITING:
        return BREAK_S if place.kind == Kind.BREAK else THINK_S
    if place.phase in _OUTSIDE_S:
        return factor * _OUTSIDE_S[place.phase]
    if place.phase not in (Phase.LISTENING, Phase.CLARIFYING):
        return None
    if place.phase is Phase.CLARIFYING and state.base.phase not in AT_QUESTION:
        return factor * levels_s[0]
    level = min(state.count("silence"), len(levels_s) - 1)
    return factor * (levels_s[level] - (levels_s[level - 1] if level else 0.0))
