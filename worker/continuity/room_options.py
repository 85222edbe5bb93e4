"""The LiveKit room of an interview: how long it stays open, and how many people may join it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from worker.livekit_api.room_options import LONGEST_TIMEOUT_S, RoomOptions
from worker.store.interviews import OPEN_DAYS

if TYPE_CHECKING:
    from worker.config.settings import Settings

#: Seconds that a room stays open beyond the time for which an interviewer waits for the candidate.
#: The time is longer than a redispatch takes, including the search for free slots (10 s) and the
#: start of a job.
SPARE_S: Final = 90.0
#: Maximum number of people in the room of an interview, the candidate included. LiveKit does not
#: count agents and recorders. Three places are for people who listen to the interview.
MOST_PEOPLE: Final = 4


def room_options(
    settings: Settings,
    *,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
    now: datetime | None = None,
) -> RoomOptions:
    """Return the options of the room of an interview with the window `opens_at` to `closes_at`.

    A room without any participant so far stays open until the window closes, and then for as long
    as an interviewer waits for a candidate. A room that the candidate has left stays open longer
    than an interviewer waits for the candidate's return. `opens_at` and `closes_at` have a time
    zone and the defaults of `create_interview`.
    """
    now = now or datetime.now(UTC)
    closes_at = closes_at or max(now, opens_at or now) + timedelta(days=OPEN_DAYS)
    window_s = max(0.0, (closes_at - now).total_seconds())
    return RoomOptions(
        empty_timeout_s=_whole(window_s + settings.candidate_join_s + SPARE_S),
        departure_timeout_s=_whole(settings.candidate_grace_s + SPARE_S),
        most_people=_most_people(settings),
    )


def _whole(seconds: float) -> int:
    return min(math.ceil(seconds), LONGEST_TIMEOUT_S)


def options_of_return(settings: Settings) -> RoomOptions:
    """Return the options of the room that is created again when an interviewer joins it.

    The room may be missing, because a restart of LiveKit removes all rooms. If the candidate does
    not come back within INTERVIEW_CANDIDATE_GRACE_S, the interviewer leaves.
    """
    waits_s = max(settings.candidate_join_s, settings.candidate_grace_s)
    return RoomOptions(
        empty_timeout_s=_whole(waits_s + SPARE_S),
        departure_timeout_s=_whole(settings.candidate_grace_s + SPARE_S),
        most_people=_most_people(settings),
    )


def _most_people(settings: Settings) -> int:
    """Return the maximum number of people in a room; 0 (no limit) for a custom application."""
    interview = type(settings).model_fields["application"].default
    return MOST_PEOPLE if settings.application == interview else 0
