"""Operations that create interviews, dispatch interviewers, and read interviews."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.continuity.dispatch_metadata import dispatch_metadata, without_plan
from worker.continuity.scope import scope_of
from worker.job.application import declared_in
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitError, LiveKitUnreachable
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotCreated,
    InterviewNotFound,
    InterviewNotRead,
    InterviewOver,
    InterviewTooNew,
    InterviewWindowClosed,
    LiveKitNotConfigured,
)
from worker.store.errors import DatabaseError
from worker.store.interview_status import obstacles_of, set_dispatched
from worker.store.interviews import (
    InterviewStatus,
    RoomInUse,
    create_interview,
    get_interview,
    remove_untaken_interview,
    turns_of,
    typed_turns,
)
from worker.store.jobs import list_jobs
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from worker.config.settings import Settings
    from worker.store.database import Database
    from worker.store.interviews import Interview

#: Fields of each turn in the result of `interview_as_data`.
_TURN_FIELDS = (
    *("job_id", "seq", "at", "speaker", "text"),
    *("interim", "heard", "interrupted", "question_id"),
)
#: Seconds until LiveKit closes a room that no participant has joined.
_ROOM_EMPTY_S = 3600
#: Seconds until LiveKit closes a room that all participants have left. This time is longer than a
#: candidate needs to return after a lost connection, and longer than a redispatch takes.
_ROOM_DEPARTURE_S = 120


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A dispatch that LiveKit has accepted."""

    dispatch_id: str
    #: True if the dispatch contains the plan, False if the plan is too large for a dispatch. If the
    #: dispatch does not contain the plan, the interviewer reads the plan from the database, and
    #: cannot hold the interview without the database.
    carries_plan: bool


def livekit_client(settings: Settings) -> LiveKitClient:
    """Return the client of the configured server.

    Raises LiveKitNotConfigured if the URL, the key or the secret is not set.
    """
    client = LiveKitClient.of(settings)
    values = {
        "LIVEKIT_URL": client.url,
        "LIVEKIT_API_KEY": client.key,
        "LIVEKIT_API_SECRET": client.secret,
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise LiveKitNotConfigured(missing)
    return client


async def create(
    db: Database,
    settings: Settings,
    *,
    plan: Mapping[str, Any],
    candidate_name: str,
    room: str | None = None,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
) -> Interview:
    """Create the room of a new interview, then store the interview.

    `opens_at` and `closes_at` are the window of the interview (see `create_interview`). If the room
    cannot be created, nothing is stored. If the interview cannot be stored, an empty room is left,
    which LiveKit closes after `_ROOM_EMPTY_S`.

    Raises LiveKitNotConfigured if a LiveKit setting is missing, InterviewNotCreated if the room
    cannot be created, RoomInUse if another open interview has the room, and InterviewExists if
    another interview has the same id.
    """
    livekit = livekit_client(settings)
    interview_id = secrets.token_hex(6)
    room = room or f"interview-{interview_id}"
    try:
        await _create_room(livekit, room)
    except LiveKitError as error:
        raise InterviewNotCreated(error) from error
    return await create_interview(
        db,
        interview_id=interview_id,
        plan=plan,
        room=room,
        candidate_name=candidate_name,
        opens_at=opens_at,
        closes_at=closes_at,
        scope=scope_of(settings),
    )


async def create_and_dispatch(
    db: Database,
    settings: Settings,
    *,
    plan: Mapping[str, Any],
    candidate_name: str,
    room: str | None = None,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
    on_stored: Callable[[Interview], object] | None = None,
) -> tuple[Interview, Sent]:
    """Create an interview as `create` does, and dispatch an interviewer.

    `on_stored` is called with the interview before the dispatch.

    If LiveKit refuses the dispatch, the interview is removed again, and so is its room if `room` is
    None. The interview stays if LiveKit does not answer, because LiveKit may have accepted the
    dispatch, and the interviewer needs the interview. If this process dies before the dispatch, the
    interview and its room stay.

    Raises the errors of `create`, and InterviewNotCreated if the dispatch fails or is not stored.
    """
    interview = await create(
        db,
        settings,
        plan=plan,
        candidate_name=candidate_name,
        room=room,
        opens_at=opens_at,
        closes_at=closes_at,
    )
    if on_stored is not None:
        on_stored(interview)
    try:
        return interview, await send_interviewer(db, settings, interview)
    except LiveKitError as error:
        unknown = isinstance(error, LiveKitUnreachable)
        if unknown or not await _removed(db, interview.interview_id):
            raise InterviewNotCreated(error, kept=interview.interview_id) from error
        if room is None:
            with contextlib.suppress(LiveKitError):
                await livekit_client(settings).delete_room(interview.room)
        raise InterviewNotCreated(error) from error
    except DatabaseError as error:
        # LiveKit has accepted the dispatch, so the interviewer needs the interview.
        raise InterviewNotCreated(error, kept=interview.interview_id) from error


async def _removed(db: Database, interview_id: str) -> bool:
    try:
        return await remove_untaken_interview(db, interview_id)
    except DatabaseError:
        return False


async def redispatch(db: Database, settings: Settings, interview_id: str) -> tuple[Interview, Sent]:
    """Dispatch an interviewer that continues the interview.

    The room is created again if it does not exist any more. Raises InterviewNotFound if the id is
    unknown, InterviewTooNew if a later version created the interview, InterviewOver if the
    interview has ended, InterviewWindowClosed if its window closed while it had no interviewer,
    RoomInUse if another open interview has its room, InterviewerPresent if an interviewer is in the
    room, LiveKitNotConfigured if a LiveKit setting is missing, ApplicationInvalid if the
    application of the settings cannot be used, and LiveKitError if a request to LiveKit fails.
    """
    livekit = livekit_client(settings)
    interview = await known_interview(db, interview_id)
    await _check_dispatchable(db, interview)
    prefix = declared_in(settings).identity_prefix
    for identity in await livekit.list_participants(interview.room):
        if identity.startswith(prefix):
            raise InterviewerPresent(identity, interview.room)
    await open_room(settings, interview)
    return interview, await send_interviewer(db, settings, interview)


async def _check_dispatchable(db: Database, interview: Interview) -> None:
    if interview.protocol > PROTOCOL:
        raise InterviewTooNew(interview.interview_id)
    if interview.is_over:
        raise _over(interview)
    found = await obstacles_of(db, interview.interview_id)
    if found is not None and found.window_closed:
        raise InterviewWindowClosed(interview.interview_id, interview.closes_at)
    if found is not None and found.room_in_use:
        raise RoomInUse(interview.interview_id, interview.room)


async def open_room(settings: Settings, interview: Interview) -> None:
    """Create the room of the interview. A room that exists already stays as it is.

    Raises LiveKitError if the request fails.
    """
    await _create_room(livekit_client(settings), interview.room)


async def _create_room(livekit: LiveKitClient, room: str) -> None:
    await livekit.create_room(
        room, empty_timeout_s=_ROOM_EMPTY_S, departure_timeout_s=_ROOM_DEPARTURE_S
    )


async def send_interviewer(db: Database, settings: Settings, interview: Interview) -> Sent:
    """Dispatch an interviewer. The dispatch carries the plan unless the plan is too large.

    Raises LiveKitError if the request fails, and InterviewOver if the interview has ended before
    the dispatch was stored. If the interview has ended, the dispatched interviewer notices that end
    too, and leaves.
    """
    metadata = dispatch_metadata(interview)
    dispatch_id = await livekit_client(settings).dispatch(
        agent_name=settings.agent_name, room=interview.room, metadata=metadata
    )
    stored = await set_dispatched(
        db, interview.interview_id, dispatch_id=dispatch_id, scope=scope_of(settings)
    )
    if not stored:
        raise _over(interview)
    return Sent(dispatch_id=dispatch_id, carries_plan=metadata != without_plan(interview))


async def known_interview(db: Database, interview_id: str) -> Interview:
    """Return an interview. Raises InterviewNotFound if the database does not have it."""
    interview = await get_interview(db, interview_id)
    if interview is None:
        raise InterviewNotFound(interview_id)
    return interview


async def interview_as_data(db: Database, interview_id: str) -> dict[str, Any]:
    """Return an interview with its jobs and turns, as data for JSON.

    `typed` is True for a turn that the candidate has typed. Times are None until they are known.
    `opens_at` is None if the window of the interview opened with its creation. Raises
    InterviewNotFound if the database does not have the interview.
    """
    interview = await known_interview(db, interview_id)
    jobs = await list_jobs(db, interview_id)
    turns = await turns_of(db, interview_id)
    typed = await typed_turns(db, interview_id)
    return {
        "interview_id": interview.interview_id,
        "room": interview.room,
        "candidate_identity": interview.candidate_identity,
        "candidate_name": interview.candidate_name,
        "plan_title": title_of(interview),
        "status": interview.status,
        "outcome": interview.outcome,
        "reason": interview.reason,
        "created_at": interview.created_at,
        "opens_at": interview.opens_at,
        "closes_at": interview.closes_at,
        "dispatched_at": interview.dispatched_at,
        "started_at": min((job.started_at for job in jobs if job.started_at), default=None),
        "ended_at": interview.updated_at if interview.status is InterviewStatus.ENDED else None,
        "jobs": [job.job_id for job in jobs],
        "turns": [
            {name: getattr(turn, name) for name in _TURN_FIELDS}
            | {"typed": (turn.job_id, turn.seq) in typed}
            for turn in turns
        ],
    }


async def created_as_data(db: Database, interview: Interview) -> dict[str, Any]:
    """Return an interview that was just created, as `interview_as_data` does.

    Raises InterviewNotRead if the database fails.
    """
    try:
        return await interview_as_data(db, interview.interview_id)
    except DatabaseError as error:
        raise InterviewNotRead(
            error, interview_id=interview.interview_id, room=interview.room
        ) from error


def title_of(interview: Interview) -> str | None:
    """Return the title of the interview's plan; None if the plan has no title."""
    title = interview.plan.get("title")
    return title if isinstance(title, str) else None


async def candidate_token(db: Database, settings: Settings, interview_id: str) -> dict[str, str]:
    """Return the `url` and the `token` with which the candidate's client joins the room.

    The `url` is that of INTERVIEW_LIVEKIT_PUBLIC_URL, if it is set.

    Raises InterviewNotFound if the database does not have the interview, and LiveKitNotConfigured
    if a LiveKit setting is missing.
    """
    livekit = livekit_client(settings)
    interview = await known_interview(db, interview_id)
    return {
        "url": settings.candidates_livekit_url,
        "token": livekit.candidate_token(
            room=interview.room,
            identity=interview.candidate_identity,
            name=interview.candidate_name or "",
        ),
    }


def _over(interview: Interview) -> InterviewOver:
    return InterviewOver(interview.interview_id, interview.outcome, interview.reason)
