"""Whether the candidate of an orphaned interview is in the room and waits for an interviewer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from states import Reason
from worker.store.orphans import CANDIDATE_CAME, HANDED_OVER, NOT_SENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from worker.store.orphans import OrphanedInterview

#: Maximum number of interviewers unknown to the database that are remembered.
_REMEMBERED: Final = 10_000
#: Maximum seconds to wait for an interviewer in the room that the database does not know. The job
#: of such an interviewer takes the lease within a second if it is alive and reaches the database.
_UNKNOWN_S: Final = 5.0
#: Reasons for which an interview waits after which its candidate was not in the room.
_NOT_IN_ROOM: Final = (
    Reason.CANDIDATE_NEVER_JOINED,
    Reason.CANDIDATE_LEFT,
    Reason.ROOM_CLOSED,
)


class CandidateCheck:
    """Tells from the participants of a room whether its candidate waits for an interviewer.

    Args:
        identity: Returns the identity of a job's agent.
    """

    def __init__(self, identity: Callable[[str], str]) -> None:
        self._identity = identity
        #: Time at which an unknown interviewer was first seen in the room of an orphaned interview,
        #: by the interview's id and token.
        self._unknown_since: dict[tuple[str, int], float] = {}

    def leftover(self, found: OrphanedInterview, here: Collection[str]) -> str | None:
        """Return the identity of the last interviewer if it is still in the room, else None."""
        last = self._last(found)
        return last if last in here else None

    def waits(
        self, found: OrphanedInterview, here: Collection[str], *, token: int | None = None
    ) -> bool:
        """Return whether a candidate is in the room and waits for an interviewer.

        `here` is the identities of the room's participants. `token` is the fencing token of a claim
        of this interview; None if the interview was not claimed.
        """
        interview = found.interview
        if interview.candidate_identity not in here:
            return False
        if found.why == CANDIDATE_CAME and interview.reason not in _NOT_IN_ROOM:
            # The last job ended because the candidate was silent or asked for another time, and the
            # candidate may have left the client open. Send another interviewer only after the
            # candidate has left the room and joined again.
            return found.was_absent
        which = interview.interview_id, interview.token if token is None else token
        return not self._is_held_by_unknown(found, here, which)

    def _last(self, found: OrphanedInterview) -> str | None:
        return self._identity(found.last_job) if found.last_job is not None else None

    def _is_held_by_unknown(
        self, found: OrphanedInterview, here: Collection[str], which: tuple[str, int]
    ) -> bool:
        """Return whether the room has an interviewer that the database does not know yet.

        The job of an unknown interviewer began while the database was unavailable. LiveKit lists a
        dead interviewer for about 20 s, so the wait for an unknown interviewer is limited.
        """
        last, prefix = self._last(found), self._identity("")
        unknown = any(each.startswith(prefix) and each != last for each in here)
        # If a redispatch was claimed before and not sent, an earlier check has already waited for
        # an unknown interviewer, unless that interviewer was the reason for giving the claim back.
        expected = found.why == HANDED_OVER or (
            found.why == NOT_SENT and which not in self._unknown_since
        )
        if not unknown or expected:
            self._unknown_since.pop(which, None)
            return False
        if len(self._unknown_since) > _REMEMBERED:
            self._unknown_since.clear()
        now = time.monotonic()
        return now - self._unknown_since.setdefault(which, now) < _UNKNOWN_S
