"""An interview as it is stored: its id, its status, its window, its lease and its end."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from states import Outcome, Reason
from worker.store.scope import FIRST_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from worker.store.connection import Row

# Pattern of a valid interview id. The characters are restricted, because the id becomes part of
# room names, identities, URLs and log lines.
_INTERVIEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Reasons of the outcome `abandoned` that do not end the interview: within the interview's window,
#: another job is dispatched when the candidate comes.
CANDIDATE_ABSENT: Final = (
    Reason.CANDIDATE_NEVER_JOINED,
    Reason.CANDIDATE_LEFT,
    Reason.CANDIDATE_SILENT,
    Reason.ROOM_CLOSED,
)

#: Outcomes that do not end the interview either, whatever the reason is.
FOR_NOW: Final = (Outcome.POSTPONED, Outcome.MISSED)


class InterviewStatus(StrEnum):
    """Progress of an interview."""

    #: The interview has a plan and has not been dispatched yet.
    CREATED = "created"
    #: A dispatch was requested, and the session of the dispatched job has not started.
    DISPATCHED = "dispatched"
    #: The session of a job has started.
    RUNNING = "running"
    #: The candidate did not come, has left, was silent, or wants another time. If the candidate
    #: comes before the interview's window closes, a job is dispatched.
    WAITING = "waiting"
    #: The interview has ended. The outcome and the reason of the interview are normally those of
    #: its last job.
    ENDED = "ended"
    #: A status that a later version has stored. Workers of this version do not touch such an
    #: interview.
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> InterviewStatus:
        """Return OTHER for a status that only a later version of the worker knows."""
        return cls.OTHER


class InterviewIdInvalid(ValueError):
    """Raised for an invalid interview id.

    A valid id has 1 to 100 letters, digits, `.`, `_` and `-`, and starts with a letter or digit.
    """

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(
            f"the interview id {interview_id[:100]!r} must be 1 to 100 letters, digits, "
            "'.', '_' and '-', the first a letter or digit"
        )


class InterviewExists(Exception):
    """Raised when another plan, room, candidate or window is stored under the interview id.

    `differs` names the values that differ, such as "plan"; empty if they are not known.
    """

    def __init__(self, interview_id: str, differs: Sequence[str] = ()) -> None:
        self.interview_id, self.differs = interview_id, tuple(differs)
        what = " and another ".join(differs) or "plan, room, candidate or window"
        super().__init__(f"interview {interview_id} already exists with another {what}")


class InterviewClosedToJob(Exception):
    """Raised when a job may not read an interview, because the job is in another room."""

    def __init__(self) -> None:
        super().__init__("the interview that the dispatch names has another room")


class InterviewErased(InterviewExists):
    """Raised when the interview with this id was erased.

    No data of the interview may be stored again.
    """

    def __init__(self, interview_id: str) -> None:
        super().__init__(interview_id)
        self.args = (f"interview {interview_id} was erased",)


class RoomInUse(InterviewExists):
    """Raised when another open interview has the room."""

    def __init__(self, interview_id: str, room: str) -> None:
        super().__init__(interview_id)
        self.room = room
        self.args = (
            f"the room {room!r} belongs to another interview that is still open: "
            "choose another room",
        )


def is_over(status: str, outcome: str | None, reason: str | None) -> bool:
    """Return whether no further job may take the lease of an interview (`Interview.is_over`)."""
    if status != InterviewStatus.ENDED:
        return False
    went_away = (outcome, reason) == (Outcome.CANCELLED, Reason.SHUTDOWN_REQUESTED)
    return outcome != Outcome.FAILED and not went_away


def is_cancelled(status: str, outcome: str | None, reason: str | None) -> bool:
    """Return whether an interview was cancelled with a command (`Interview.is_cancelled`)."""
    ended = status == InterviewStatus.ENDED
    return ended and (outcome, reason) == (Outcome.CANCELLED, Reason.CANCEL_REQUESTED)


def waits_for_candidate(outcome: str | None, reason: str | None) -> bool:
    """Return whether an interview whose last job ended like this waits for its candidate."""
    return outcome in FOR_NOW or (outcome == Outcome.ABANDONED and reason in CANDIDATE_ABSENT)


@dataclass(frozen=True, kw_only=True)
class Interview:
    """One stored interview. All times are in UTC and come from the database's clock."""

    interview_id: str
    room: str
    candidate_identity: str
    candidate_name: str | None
    #: Snapshot of the plan, in the form that `Plan.from_json` reads.
    plan: dict[str, Any]
    status: InterviewStatus
    #: Outcome of an ended interview, normally the outcome of its last job.
    outcome: str | None
    #: Reason of an ended interview, normally the reason of its last job.
    reason: str | None
    created_at: datetime
    updated_at: datetime
    dispatch_id: str | None
    #: Fencing token of the interview at its last dispatch; None before the first dispatch.
    dispatch_token: int | None
    dispatched_at: datetime | None
    #: Fencing token. Each job that takes the lease and each redispatch raises the token.
    token: int
    lease_job: str | None
    #: Worker of the job that holds the lease; None until the worker has renewed the lease.
    lease_worker: str | None
    lease_expires: datetime | None
    #: Number of redispatches. A redispatch after a handover, or after a dispatch that no worker
    #: took, is not counted. The SQL expression `orphans.TRIES` replaces this number by 0 if the
    #: last dispatch is older than `orphans._FORGOTTEN_S`.
    tries: int
    #: Agent name of the interview's workers; None for the workers of the interview application.
    agent_name: str | None = None
    #: LiveKit server of the interview's room; None for the server of the interview application's
    #: workers.
    livekit_url: str | None = None
    #: Time at which the window opens in which the candidate can be interviewed; None for the time
    #: of creation.
    opens_at: datetime | None = None
    #: Time at which the window closes in which the candidate can be interviewed; None only in a row
    #: of another version.
    closes_at: datetime | None = None
    #: Protocol that a worker must understand to hold the interview (see `scope.PROTOCOL`).
    protocol: int = FIRST_PROTOCOL

    @property
    def is_over(self) -> bool:
        """True if no further job may take the interview's lease.

        An interview whose last job failed, or was cancelled by the shutdown of its worker, is not
        over, because another interviewer may continue the interview. An interview that ended with
        the reason RoomDeleted is over, because the room was deleted from outside on purpose.
        """
        return is_over(self.status, self.outcome, self.reason)

    @property
    def is_cancelled(self) -> bool:
        """True if a command cancelled the interview.

        No job may change the outcome of a cancelled interview.
        """
        return is_cancelled(self.status, self.outcome, self.reason)

    def differs_from(
        self,
        *,
        plan: Mapping[str, Any],
        room: str | None,
        candidate_identity: str | None,
        candidate_name: str | None,
        opens_at: datetime | None = None,
        closes_at: datetime | None = None,
    ) -> tuple[str, ...]:
        """Return the names of those arguments that differ from the stored interview.

        A room, an identity or a time that is None does not count as different.
        """
        same = {
            "plan": self.plan == dict(plan),
            "room": room in (None, self.room),
            "identity of the candidate": candidate_identity in (None, self.candidate_identity),
            "name of the candidate": candidate_name == self.candidate_name,
            "window": opens_at in (None, self.opens_at) and closes_at in (None, self.closes_at),
        }
        return tuple(name for name, is_same in same.items() if not is_same)


def check_interview_id(interview_id: str) -> None:
    """Raise `InterviewIdInvalid` if the text is not a valid interview id."""
    if not is_interview_id(interview_id):
        raise InterviewIdInvalid(interview_id)


def is_interview_id(text: str) -> bool:
    """Return whether a text is a valid interview id (`InterviewIdInvalid`)."""
    return _INTERVIEW_ID.fullmatch(text) is not None


def interview_of(row: Row) -> Interview:
    """Convert a row of the table `interviews`."""
    fields = {name: row[name] for name in Interview.__dataclass_fields__}
    fields["plan"] = json.loads(fields["plan"])
    fields["status"] = InterviewStatus(fields["status"])
    return Interview(**fields)
