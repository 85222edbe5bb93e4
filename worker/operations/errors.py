"""Errors that the operations on interviews and jobs raise.

Each message is one line and tells the user what to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar


class OperationFailed(Exception):
    """Base class of the errors of this package."""


class LiveKitNotConfigured(OperationFailed):
    """Raised if settings for LiveKit are empty.

    `missing` lists the environment variables of these settings.
    """

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        verb = "is" if len(missing) == 1 else "are"
        super().__init__(
            f"{', '.join(missing)} {verb} not set: take the values from your LiveKit server "
            "(`interview-worker demo` needs none of them)"
        )


class InterviewNotFound(OperationFailed):
    """Raised if the database has no interview with this id."""

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(
            f"there is no interview {interview_id!r}; "
            "`interview-worker interviews list` lists the interviews"
        )


class InterviewOver(OperationFailed):
    """Raised if an interviewer or a token is requested for an interview that has ended."""

    #: What the user can do, as the end of the message.
    advice: ClassVar[str] = "create another"

    def __init__(self, interview_id: str, outcome: str | None, reason: str | None) -> None:
        self.interview_id, self.outcome, self.reason = interview_id, outcome, reason
        end = f" ({outcome}, {reason})" if outcome else ""
        super().__init__(f"interview {interview_id} is over{end}: {self.advice}")


class NothingToCancel(InterviewOver):
    """Raised if an interview is to be cancelled, but has already ended for another reason."""

    advice: ClassVar[str] = "there is nothing to cancel"


class InterviewWindowClosed(OperationFailed):
    """Raised if an interviewer or a token is requested after the window of an interview closed."""

    def __init__(self, interview_id: str, closed_at: datetime | None) -> None:
        self.interview_id, self.closed_at = interview_id, closed_at
        when = f" at {closed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if closed_at else ""
        window = f"the window of interview {interview_id}"
        super().__init__(f"{window} closed{when}: create a new interview")


class InterviewTooNew(OperationFailed):
    """Raised if a request concerns an interview that a later version of the worker created."""

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(
            f"a later version of the worker created interview {interview_id}: "
            "use the command of that version"
        )


class InterviewNotCreated(OperationFailed):
    """Raised if LiveKit or the database fails while an interview is created and dispatched.

    `cause` is the error of LiveKit or the database. `kept` is the id of the interview if the
    database still contains the interview; None if no interview was stored, or if the interview was
    removed again.
    """

    def __init__(self, cause: Exception, *, kept: str | None = None) -> None:
        self.cause, self.kept = cause, kept
        end = (
            "no interview was created"
            if kept is None
            else f"interview {kept} stays in the database: `interview-worker interviews dispatch "
            f"{kept}` sends an interviewer unless one is in its room"
        )
        super().__init__(f"{cause}; {end}")


class InterviewNotRead(OperationFailed):
    """Raised if an interview was created, but the database fails when the interview is read.

    `cause` is the error of the database, `interview_id` the id of the interview.
    """

    def __init__(self, cause: Exception, *, interview_id: str, room: str) -> None:
        self.cause, self.interview_id = cause, interview_id
        super().__init__(
            f"{cause}; interview {interview_id} in room {room} was created: "
            f"`interview-worker interviews show {interview_id}` shows it"
        )


class InterviewerPresent(OperationFailed):
    """Raised if an interviewer is already in the room of the interview."""

    def __init__(self, identity: str, room: str) -> None:
        self.identity, self.room = identity, room
        super().__init__(
            f"{identity} is in room {room}; if its process died, it leaves within half a minute"
        )


class IdentityReserved(OperationFailed):
    """Raised if a candidate would get an identity that is reserved for interviewers."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        super().__init__(
            f"a candidate's identity must not begin with {prefix!r}, reserved for interviewers"
        )


class JobNotFound(OperationFailed):
    """Raised if neither this machine nor the database has the job, or a journal file is missing."""
