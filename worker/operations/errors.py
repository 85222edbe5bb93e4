"""Errors of the operations. Each message is one line that says what to do."""

from __future__ import annotations


class OperationFailed(Exception):
    """Base of the errors of this package."""


class LiveKitNotConfigured(OperationFailed):
    """Settings that LiveKit needs are empty; `missing` has their environment variables."""

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        verb = "is" if len(missing) == 1 else "are"
        super().__init__(f"{', '.join(missing)} {verb} not set; `make demo` needs none of them")


class InterviewNotFound(OperationFailed):
    """The database has no interview of this id."""

    def __init__(self, interview_id: str) -> None:
        self.interview_id = interview_id
        super().__init__(
            f"there is no interview {interview_id!r}; "
            "`interview-worker interviews list` lists the interviews"
        )


class InterviewOver(OperationFailed):
    """The interview has ended, and no interviewer may be dispatched to it."""

    def __init__(self, interview_id: str, outcome: str | None, reason: str | None) -> None:
        self.interview_id, self.outcome, self.reason = interview_id, outcome, reason
        end = f" ({outcome}, {reason})" if outcome else ""
        super().__init__(f"interview {interview_id} is over{end}: create another")


class InterviewerPresent(OperationFailed):
    """An interviewer is in the interview's room already."""

    def __init__(self, identity: str, room: str) -> None:
        self.identity, self.room = identity, room
        super().__init__(
            f"{identity} is in room {room}; if its process died, it leaves within half a minute"
        )


class JobNotFound(OperationFailed):
    """Neither this machine nor the database knows the job, or the journal's file is missing."""
