"""Whether a candidate in the room of an interview without an interviewer waits for one."""

from __future__ import annotations

import pytest

from tests.support.virtual.stored_interview import stored_interview
from worker.continuity.candidate_check import CandidateCheck
from worker.interview.ends import ENDS
from worker.store.interviews import InterviewStatus
from worker.store.orphans import CANDIDATE_CAME, OrphanedInterview

POSTPONED = ENDS["candidate_postponed"].reason
MISSED = ENDS["candidate_missed"].reason


def waits(reason: str, *, was_absent: bool) -> bool:
    interview = stored_interview(status=InterviewStatus.WAITING, outcome=None, reason=reason)
    found = OrphanedInterview(
        interview=interview,
        why=CANDIDATE_CAME,
        lost_why=CANDIDATE_CAME,
        last_job="AJ_1",
        was_absent=was_absent,
    )
    check = CandidateCheck(lambda job_id: f"interviewer-{job_id}")
    return check.waits(found, {interview.candidate_identity})


@pytest.mark.parametrize("reason", ["CandidateSilent", POSTPONED, MISSED])
def test_a_candidate_who_stayed_after_the_goodbye_must_leave_the_room_first(reason: str) -> None:
    assert not waits(reason, was_absent=False)
    assert waits(reason, was_absent=True)


@pytest.mark.parametrize("reason", ["CandidateNeverJoined", "CandidateLeft", "RoomClosed"])
def test_a_candidate_who_was_not_in_the_room_gets_an_interviewer_at_once(reason: str) -> None:
    assert waits(reason, was_absent=False)
