"""Create interviews, dispatch interviewers, and read interviews with their turns."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.continuity.dispatch_metadata import dispatch_metadata, without_plan
from worker.livekit_api import rooms
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotFound,
    InterviewOver,
    LiveKitNotConfigured,
)
from worker.store.interview_status import set_dispatched
from worker.store.interviews import create_interview, get_interview, turns_of
from worker.store.jobs import list_jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.config.settings import Settings
    from worker.store.database import Database
    from worker.store.interviews import Interview

#: Seconds that a room outlives its participants: longer than a candidate's grace, and than a
#: redispatch takes.
_ROOM_EMPTY_S = 3600
_ROOM_DEPARTURE_S = 120


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A dispatch that LiveKit has taken."""

    dispatch_id: str
    #: False for a plan that is too large for a dispatch: the interviewer reads it from the
    #: database, and cannot hold the interview without it.
    carries_plan: bool


def livekit_access(settings: Settings) -> tuple[str, str, str]:
    """Return LiveKit's URL, key and secret. Raises LiveKitNotConfigured."""
    values = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise LiveKitNotConfigured(missing)
    url, key, secret = values.values()
    return url, key, secret


async def create(
    db: Database,
    settings: Settings,
    *,
    plan: Mapping[str, Any],
    candidate_name: str,
    room: str | None = None,
) -> Interview:
    """Store a new interview and create its room.

    Raises LiveKitNotConfigured before anything is stored, LiveKitError, InterviewExists.
    """
    livekit_access(settings)
    interview = await create_interview(
        db,
        interview_id=secrets.token_hex(6),
        plan=plan,
        room=room,
        candidate_name=candidate_name,
    )
    await open_room(settings, interview)
    return interview


async def redispatch(db: Database, settings: Settings, interview_id: str) -> tuple[Interview, Sent]:
    """Dispatch an interviewer that continues the interview; the room is created if it is gone.

    Raises InterviewNotFound, InterviewOver, InterviewerPresent, LiveKitNotConfigured,
    LiveKitError.
    """
    access = livekit_access(settings)
    interview = await known_interview(db, interview_id)
    if interview.is_over:
        raise _over(interview)
    for identity in await rooms.list_participants(*access, interview.room):
        if identity.startswith(rooms.INTERVIEWER_PREFIX):
            raise InterviewerPresent(identity, interview.room)
    await open_room(settings, interview)
    return interview, await send_interviewer(db, settings, interview)


async def open_room(settings: Settings, interview: Interview) -> None:
    """Create the interview's room; one that exists stays as it is. Raises LiveKitError."""
    await rooms.create_room(
        *livekit_access(settings),
        interview.room,
        empty_timeout_s=_ROOM_EMPTY_S,
        departure_timeout_s=_ROOM_DEPARTURE_S,
    )


async def send_interviewer(db: Database, settings: Settings, interview: Interview) -> Sent:
    """Dispatch an interviewer with the plan's snapshot, or without one that is too large.

    Raises LiveKitError, and InterviewOver for an interview that has ended in between (the
    dispatched interviewer finds that out as well, and leaves).
    """
    metadata = dispatch_metadata(interview)
    dispatch_id = await rooms.dispatch(
        *livekit_access(settings),
        agent_name=settings.agent_name,
        room=interview.room,
        metadata=metadata,
    )
    if not await set_dispatched(db, interview.interview_id, dispatch_id=dispatch_id):
        raise _over(interview)
    return Sent(dispatch_id=dispatch_id, carries_plan=metadata != without_plan(interview))


async def known_interview(db: Database, interview_id: str) -> Interview:
    """Return an interview. Raises InterviewNotFound."""
    interview = await get_interview(db, interview_id)
    if interview is None:
        raise InterviewNotFound(interview_id)
    return interview


async def interview_as_data(db: Database, interview_id: str) -> dict[str, Any]:
    """Return an interview with its jobs and turns, for JSON. Raises InterviewNotFound."""
    interview = await known_interview(db, interview_id)
    jobs = await list_jobs(db, interview_id)
    turns = await turns_of(db, interview_id)
    fields = ("seq", "at", "speaker", "text", "interim", "heard", "interrupted", "question_id")
    return {
        "interview_id": interview.interview_id,
        "room": interview.room,
        "candidate_identity": interview.candidate_identity,
        "status": interview.status,
        "outcome": interview.outcome,
        "reason": interview.reason,
        "created_at": interview.created_at,
        "jobs": [job.job_id for job in jobs],
        "turns": [{name: getattr(turn, name) for name in fields} for turn in turns],
    }


async def candidate_token(db: Database, settings: Settings, interview_id: str) -> dict[str, str]:
    """Return `url` and `token`, with which the candidate's client joins the room.

    Raises InterviewNotFound and LiveKitNotConfigured.
    """
    url, key, secret = livekit_access(settings)
    interview = await known_interview(db, interview_id)
    return {
        "url": url,
        "token": rooms.candidate_token(
            key,
            secret,
            room=interview.room,
            identity=interview.candidate_identity,
            name=interview.candidate_name or "",
        ),
    }


def _over(interview: Interview) -> InterviewOver:
    return InterviewOver(interview.interview_id, interview.outcome, interview.reason)
