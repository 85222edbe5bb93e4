"""Operations that dispatch interviewers, and read and cancel interviews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from worker.continuity.dispatch_metadata import compose
from worker.continuity.metadata_cipher import WorkerKeys
from worker.continuity.room_options import room_options
from worker.continuity.scope import scope_of
from worker.interview.dialogue.journal_record import data_of
from worker.job.application import declared_in
from worker.livekit_api.client import LiveKitClient
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotFound,
    InterviewNotRead,
    InterviewOver,
    InterviewTooNew,
    InterviewWindowClosed,
    LiveKitNotConfigured,
    NothingToCancel,
)
from worker.operations.questions import questions_of
from worker.store.errors import DatabaseError
from worker.store.interview_dialogue import dialogue_of
from worker.store.interview_status import cancel_interview, obstacles_of, set_dispatched
from worker.store.interview_turns import turns_of, typed_turns
from worker.store.interviews import InterviewStatus, RoomInUse, get_interview
from worker.store.jobs import list_jobs
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.livekit_api.room_options import RoomOptions
    from worker.store.database import Database
    from worker.store.interviews import Interview

#: Fields of each turn in the result of `interview_as_data`.
_TURN_FIELDS = (
    *("job_id", "seq", "at", "speaker", "text"),
    *("interim", "heard", "interrupted", "question_id"),
)
#: Minimum seconds for which a candidate's token is valid while an interviewer holds the interview,
#: even if the interview's window has closed.
_BEYOND_WINDOW_S: Final = 600.0
#: Hours for which a candidate's token is valid if the interview's window has no end. Only a row of
#: another version lacks the end.
_WITHOUT_WINDOW_H: Final = 4


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
    await check_open(db, settings, interview)
    prefix = declared_in(settings).identity_prefix
    for identity in await livekit.list_participants(interview.room):
        if identity.startswith(prefix):
            raise InterviewerPresent(identity, interview.room)
    await open_room(settings, interview)
    return interview, await send_interviewer(db, settings, interview)


async def check_open(db: Database, settings: Settings, interview: Interview) -> None:
    """Check that workers with these settings can still hold the interview.

    Raises InterviewTooNew if a later version created the interview, InterviewOver if it has ended,
    InterviewWindowClosed if its window closed while it had no interviewer, and RoomInUse if another
    open interview has its room.
    """
    if interview.protocol > PROTOCOL:
        raise InterviewTooNew(interview.interview_id)
    if interview.is_over:
        raise _over(interview)
    found = await obstacles_of(db, interview.interview_id, scope=scope_of(settings))
    if found is not None and found.window_closed:
        raise InterviewWindowClosed(interview.interview_id, interview.closes_at)
    if found is not None and found.room_in_use:
        raise RoomInUse(interview.interview_id, interview.room)


async def open_room(settings: Settings, interview: Interview) -> None:
    """Create the room of the interview, with options that depend on the settings and the window.

    An existing room is kept, unless it has other options and no participant.

    Raises LiveKitError if the request fails.
    """
    options = room_options(settings, closes_at=interview.closes_at)
    await create_room(livekit_client(settings), interview.room, options)


async def create_room(livekit: LiveKitClient, room: str, options: RoomOptions) -> None:
    """Create a room for one interview.

    An existing room is kept, unless it has other options and no participant.
    Raises LiveKitError if the request fails.
    """
    await livekit.create_room(
        room,
        empty_timeout_s=options.empty_timeout_s,
        departure_timeout_s=options.departure_timeout_s,
        most_people=options.most_people,
    )


async def send_interviewer(db: Database, settings: Settings, interview: Interview) -> Sent:
    """Dispatch an interviewer.

    The dispatch contains the encrypted plan, unless the plan is too large.

    Raises LiveKitError if the request fails, and InterviewOver if the interview has ended before
    the dispatch was stored. If the interview has ended, the dispatched interviewer also notices
    this, and leaves.
    """
    livekit = livekit_client(settings)
    metadata = compose(interview, seal=WorkerKeys.of(settings).seal(interview))
    dispatch_id = await livekit.dispatch(
        agent_name=settings.agent_name, room=interview.room, metadata=metadata.text
    )
    stored = await set_dispatched(
        db, interview.interview_id, dispatch_id=dispatch_id, scope=scope_of(settings)
    )
    if not stored:
        raise _over(interview)
    return Sent(dispatch_id=dispatch_id, carries_plan=metadata.carries_plan)


async def known_interview(db: Database, interview_id: str) -> Interview:
    """Return an interview. Raises InterviewNotFound if the database does not have the interview."""
    interview = await get_interview(db, interview_id)
    if interview is None:
        raise InterviewNotFound(interview_id)
    return interview


async def interview_as_data(db: Database, interview_id: str) -> dict[str, Any]:
    """Return an interview with its jobs, turns and dialogue records, as data for JSON.

    `typed` is True for a turn that the candidate has typed. `dialogue` has the dialogue records in
    the journals of the jobs, each with its `job_id`. `questions` has the status and the answer of
    each question (`questions_of`); the key is absent if there are no dialogue records. Times that
    are not known yet are None.
    `opens_at` is None if the window of the interview opened with its creation. Raises
    InterviewNotFound if the database does not have the interview.
    """
    interview = await known_interview(db, interview_id)
    jobs = await list_jobs(db, interview_id)
    turns = await turns_of(db, interview_id)
    typed = await typed_turns(db, interview_id)
    dialogue = await dialogue_of(db, interview_id)
    questions = questions_of(interview.plan, turns, dialogue)
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
        "dialogue": [data_of(record) | {"job_id": job_id} for job_id, record in dialogue],
        **({"questions": questions} if questions else {}),
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

    The token is valid in the window of the interview. If the interview is still held after its
    window has closed, the token is valid for `_BEYOND_WINDOW_S`, so that a candidate who left can
    come back. If the room is closed, the candidate opens the room by joining, with the options that
    `room_options` returns. The `url` is INTERVIEW_LIVEKIT_PUBLIC_URL, or LIVEKIT_URL if
    INTERVIEW_LIVEKIT_PUBLIC_URL is not set.

    Raises InterviewNotFound if the database does not have the interview, LiveKitNotConfigured if a
    LiveKit setting is missing, and the errors of `check_open` if the interview cannot be held any
    more.
    """
    livekit = livekit_client(settings)
    interview = await known_interview(db, interview_id)
    await check_open(db, settings, interview)
    now = datetime.now(UTC)
    return {
        "url": settings.candidates_livekit_url,
        "token": livekit.candidate_token(
            room=interview.room,
            identity=interview.candidate_identity,
            name=interview.candidate_name or "",
            options=room_options(settings, closes_at=interview.closes_at),
            not_before=interview.opens_at or min(interview.created_at, now),
            expires=_token_expires(interview, now),
        ),
    }


def _token_expires(interview: Interview, now: datetime) -> datetime:
    """Return the time at which a candidate's token that is made at `now` expires."""
    if interview.closes_at is None:
        return now + timedelta(hours=_WITHOUT_WINDOW_H)
    if interview.status in (InterviewStatus.CREATED, InterviewStatus.WAITING):
        return interview.closes_at
    return max(interview.closes_at, now + timedelta(seconds=_BEYOND_WINDOW_S))


async def cancel(db: Database, interview_id: str) -> dict[str, Any]:
    """Cancel an interview, and return it as `interview_as_data` does.

    An interviewer that is in the room says goodbye and leaves, once its job has noticed the
    cancellation in the database. Nothing changes if the interview was cancelled before.

    Raises InterviewNotFound if the id is unknown, InterviewTooNew if a later version created the
    interview, and NothingToCancel if the interview ended in another way.
    """
    interview = await cancel_interview(db, interview_id)
    if interview is None:
        raise InterviewNotFound(interview_id)
    if interview.is_over and not interview.is_cancelled:
        raise NothingToCancel(interview_id, interview.outcome, interview.reason)
    if not interview.is_over and interview.protocol > PROTOCOL:
        raise InterviewTooNew(interview_id)
    return await interview_as_data(db, interview_id)


def _over(interview: Interview) -> InterviewOver:
    return InterviewOver(interview.interview_id, interview.outcome, interview.reason)
