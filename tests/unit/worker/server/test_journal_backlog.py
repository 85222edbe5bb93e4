"""Which journals wait for ingestion, and when each is tried again."""

from __future__ import annotations

import pytest

from worker.journal.folder import JournalFile
from worker.server.journal_backlog import REFUSED, UNREPORTED_S, JournalBacklog


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlog(clock: Clock) -> JournalBacklog:
    return JournalBacklog(clock=clock)


def found(age_s: float, job_id: str = "AJ_1") -> JournalFile:
    return JournalFile(job_id=job_id, age_s=age_s)


def test_at_the_start_every_journal_is_due(backlog: JournalBacklog) -> None:
    assert backlog.is_due(found(0.0), at_start=True)


def test_later_an_unknown_journal_is_due_once_its_job_had_time_to_be_reported(
    backlog: JournalBacklog,
) -> None:
    assert not backlog.is_due(found(UNREPORTED_S - 1), at_start=False)
    assert backlog.is_due(found(UNREPORTED_S), at_start=False)


def test_a_journal_that_is_being_ingested_is_not_due(backlog: JournalBacklog) -> None:
    backlog.hold("AJ_1")
    assert not backlog.is_due(found(3600.0), at_start=True)
    backlog.gone("AJ_1")
    assert backlog.is_due(found(3600.0), at_start=True)


def test_a_journal_waits_since_its_last_record(backlog: JournalBacklog, clock: Clock) -> None:
    backlog.wait("AJ_1", 30.0)
    backlog.wait("AJ_2", 0.0)
    clock.now += 5
    backlog.wait("AJ_1", 0.0)
    assert backlog.waiting == (2, 35.0)
    backlog.gone("AJ_1")
    assert backlog.waiting == (1, 5.0)


def test_a_refused_journal_is_due_again_after_growing_delays_with_its_exit_code(
    backlog: JournalBacklog, clock: Clock
) -> None:
    waited: list[float] = []
    backlog.wait("AJ_1", 0.0)
    for _ in range(8):
        backlog.hold("AJ_1")
        backlog.refused("AJ_1", -9)
        began = clock.now
        while not backlog.is_due(found(3600.0), at_start=False):
            clock.now += 1
        waited.append(clock.now - began)
        assert backlog.exit_code("AJ_1") == -9
    longest = [min(REFUSED.first_s * 2**n, REFUSED.longest_s) for n in range(8)]
    assert all(most / 2 <= one <= most + 1 for one, most in zip(waited, longest, strict=True))
    assert backlog.waiting[0] == 1


def test_the_journal_of_a_running_job_does_not_wait_and_is_due_once_it_is_silent(
    backlog: JournalBacklog,
) -> None:
    backlog.wait("AJ_1", 0.0)
    backlog.running("AJ_1")
    assert backlog.waiting == (0, 0)
    assert not backlog.is_due(found(1.0), at_start=False)
    assert backlog.is_due(found(6.0), at_start=False)


def test_an_ingested_journal_that_cannot_be_moved_does_not_wait_for_ingestion(
    backlog: JournalBacklog,
) -> None:
    backlog.wait("AJ_1", 0.0)
    backlog.refused("AJ_1", 0, ingested=True)
    assert backlog.waiting == (0, 0)
    assert not backlog.is_due(found(3600.0), at_start=False)


def test_a_journal_that_somebody_moved_away_no_longer_waits(backlog: JournalBacklog) -> None:
    backlog.wait("AJ_1", 0.0)
    backlog.wait("AJ_2", 0.0)
    backlog.hold("AJ_2")
    assert backlog.known() == {"AJ_1", "AJ_2"}
    backlog.moved_away({"AJ_1", "AJ_2", "AJ_3"})
    assert backlog.known() == {"AJ_2"}
