"""The outcomes of lease renewals, as metrics and health show them."""

from __future__ import annotations

from worker.telemetry.lease_renewals import LeaseRenewals


class Renewing:
    """The renewals of one worker with a lease of 3 s."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.failures = 0
        self.renewals = LeaseRenewals(3.0, on_failed=self.fail, clock=lambda: self.now)

    def fail(self) -> None:
        self.failures += 1


def test_without_a_renewal_there_is_no_age_and_nothing_is_overdue() -> None:
    renewals = Renewing().renewals
    assert (renewals.age_s, renewals.overdue) == (None, False)


def test_a_database_that_goes_away_is_overdue_after_a_lease_until_a_renewal_succeeds() -> None:
    worker = Renewing()
    worker.renewals.record(True)
    worker.now += 3.0
    worker.renewals.record(False)
    assert (worker.renewals.age_s, worker.renewals.overdue) == (3.0, False)
    worker.now += 0.5
    worker.renewals.record(False)
    assert (worker.renewals.age_s, worker.renewals.overdue) == (3.5, True)
    assert worker.failures == 2
    worker.renewals.record(True)
    assert (worker.renewals.age_s, worker.renewals.overdue) == (0.0, False)


def test_renewals_that_have_never_succeeded_are_overdue_a_lease_after_the_first_attempt() -> None:
    worker = Renewing()
    for _ in range(8):
        worker.renewals.record(False)
        worker.now += 0.5
    assert worker.renewals.overdue


def test_renewals_that_are_not_attempted_any_more_become_overdue() -> None:
    worker = Renewing()
    worker.renewals.record(True)
    worker.now += 3.1
    assert worker.renewals.overdue
