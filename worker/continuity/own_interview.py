"""The check that a job reads the plan and the turns of its own interview only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states import Event
from worker.resources.resource import LoadFailed
from worker.store.leases import problem_of

if TYPE_CHECKING:
    from worker.store.interviews import Interview


def not_own(problem: str) -> LoadFailed:
    """Return the error for a job that must not read the interview that its dispatch names."""
    return LoadFailed("MetadataInvalid", problem, event=Event.METADATA_INVALID)


def check_own(interview: Interview, room: str | None) -> None:
    """Check that a job in `room` may read the interview.

    If `room` is None, the room is not checked.

    Raises LoadFailed with the event METADATA_INVALID if the interview has another room, or a newer
    protocol than this version.
    """
    if problem := problem_of(interview.protocol, interview.room, room):
        raise not_own(problem)
