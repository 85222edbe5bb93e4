"""Operations that create interviews.

If the caller has chosen the interview's id, the caller may safely repeat the creation.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.continuity.room_options import room_options
from worker.continuity.scope import scope_of
from worker.job.application import declared_in
from worker.livekit_api.errors import LiveKitError, LiveKitUnreachable
from worker.operations.errors import IdentityReserved, InterviewNotCreated
from worker.operations.interviews import (
    check_open,
    create_room,
    livekit_client,
    open_room,
    send_interviewer,
)
from worker.store.errors import DatabaseError
from worker.store.interviews import (
    InterviewExists,
    InterviewStatus,
    check_interview_id,
    create_interview,
    get_interview,
    remove_untaken_interview,
)
from worker.store.scope import FIRST_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from worker.config.settings import Settings
    from worker.operations.interviews import Sent
    from worker.store.database import Database
    from worker.store.interviews import Interview


@dataclass(frozen=True, kw_only=True)
class NewInterview:
    """The values with which an interview is created. For a value that is None a default is used.

    `opens_at` and `closes_at` are the window of the interview (see `create_interview`).
    """

    plan: Mapping[str, Any]
    candidate_name: str
    #: Protocol that a worker must understand to hold the interview (`Plan.protocol`).
    protocol: int = FIRST_PROTOCOL
    #: Id of the interview, with which the creation may be repeated; None: a random id.
    interview_id: str | None = None
    candidate_identity: str | None = None
    room: str | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


async def create(db: Database, settings: Settings, wanted: NewInterview) -> Interview:
    """Create the room of a new interview, then store the interview.

    If `wanted` has the id of an interview that was created with the same values, return that
    interview, even if it has ended. If the room cannot be created, nothing is stored. If the
    interview cannot be stored, an empty room is left, which LiveKit closes after the interview's
    window.

    Raises LiveKitNotConfigured if a LiveKit setting is missing, InterviewIdInvalid and
    IdentityReserved if the id or the identity cannot be used, InterviewNotCreated if the room
    cannot be created, RoomInUse if another open interview has the room, and InterviewExists if the
    interview with this id was created with other values.
    """
    livekit_client(settings)
    return await _existing(db, settings, wanted) or await _create(db, settings, wanted)


async def create_and_dispatch(
    db: Database,
    settings: Settings,
    wanted: NewInterview,
    *,
    on_stored: Callable[[Interview], object] | None = None,
) -> tuple[Interview, Sent | None]:
    """Create an interview as `create` does, and dispatch an interviewer.

    `on_stored` is called with the interview before the dispatch. For an interview that existed
    before, an interviewer is dispatched only if the interview never had an interviewer; otherwise
    the returned dispatch is None.

    If LiveKit refuses the dispatch, a new interview is removed again, and so is its room unless
    `wanted` names the room. The interview stays if LiveKit does not answer, because LiveKit may
    have accepted the dispatch, and the interviewer needs the interview. If the process dies between
    the creation and the dispatch, the interview and its room stay.

    Raises the errors of `create`, InterviewNotCreated if the dispatch fails or is not stored, and
    InterviewWindowClosed if the interview existed before, and its window has closed.
    """
    livekit_client(settings)
    existing = await _existing(db, settings, wanted)
    interview = existing or await _create(db, settings, wanted)
    if on_stored is not None:
        on_stored(interview)
    try:
        if existing is not None and not await _lacks_interviewer(db, settings, existing):
            return existing, None
        return interview, await send_interviewer(db, settings, interview)
    except LiveKitError as error:
        stays = existing is not None or isinstance(error, LiveKitUnreachable)
        if stays or not await _removed(db, interview.interview_id):
            raise InterviewNotCreated(error, kept=interview.interview_id) from error
        if wanted.room is None:
            with contextlib.suppress(LiveKitError):
                await livekit_client(settings).delete_room(interview.room)
        raise InterviewNotCreated(error) from error
    except DatabaseError as error:
        # LiveKit has accepted the dispatch, so the interviewer needs the interview.
        raise InterviewNotCreated(error, kept=interview.interview_id) from error


async def _existing(db: Database, settings: Settings, wanted: NewInterview) -> Interview | None:
    """Return the interview that an earlier call with the same values has created, if any.

    Raises the errors of `create` for an id or an identity that cannot be used.
    """
    if wanted.candidate_identity is not None:
        prefix = declared_in(settings).identity_prefix
        if wanted.candidate_identity.startswith(prefix):
            raise IdentityReserved(prefix)
    if wanted.interview_id is None:
        return None
    check_interview_id(wanted.interview_id)
    found = await get_interview(db, wanted.interview_id, writable=True)
    if found is None:
        return None
    differs = found.differs_from(
        plan=wanted.plan,
        room=wanted.room or _room_of(wanted.interview_id),
        candidate_identity=wanted.candidate_identity or f"candidate-{wanted.interview_id}",
        candidate_name=wanted.candidate_name,
        opens_at=wanted.opens_at,
        closes_at=wanted.closes_at,
    )
    if differs:
        raise InterviewExists(wanted.interview_id, differs)
    return found


async def _create(db: Database, settings: Settings, wanted: NewInterview) -> Interview:
    interview_id = wanted.interview_id or secrets.token_hex(6)
    room = wanted.room or _room_of(interview_id)
    try:
        options = room_options(settings, opens_at=wanted.opens_at, closes_at=wanted.closes_at)
        await create_room(livekit_client(settings), room, options)
    except LiveKitError as error:
        raise InterviewNotCreated(error) from error
    return await create_interview(
        db,
        interview_id=interview_id,
        plan=wanted.plan,
        protocol=wanted.protocol,
        room=room,
        candidate_identity=wanted.candidate_identity,
        candidate_name=wanted.candidate_name,
        opens_at=wanted.opens_at,
        closes_at=wanted.closes_at,
        scope=scope_of(settings),
    )


def _room_of(interview_id: str) -> str:
    return f"interview-{interview_id}"


async def _lacks_interviewer(db: Database, settings: Settings, interview: Interview) -> bool:
    """Return whether an existing interview never had an interviewer.

    The command that created the interview may have sent a dispatch and died before it stored the
    dispatch, so the participants of the room are checked too. If the interview lacks an
    interviewer, its room is created again, because LiveKit may have closed it.
    """
    if interview.status is not InterviewStatus.CREATED:
        return False
    await check_open(db, settings, interview)
    prefix = declared_in(settings).identity_prefix
    people = await livekit_client(settings).list_participants(interview.room)
    if any(identity.startswith(prefix) for identity in people):
        return False
    await open_room(settings, interview)
    return True


async def _removed(db: Database, interview_id: str) -> bool:
    try:
        return await remove_untaken_interview(db, interview_id)
    except DatabaseError:
        return False
