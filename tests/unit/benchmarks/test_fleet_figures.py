"""How the fleet benchmark counts kept and missed renewals."""

from __future__ import annotations

import pytest

from benchmarks.fleet_figures import Gaps, RenewalGaps


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gaps(clock: Clock) -> RenewalGaps:
    gaps = RenewalGaps(0.5, clock)
    gaps.begin("w1")
    return gaps


def renew_after(gaps: RenewalGaps, clock: Clock, *waits_s: float) -> None:
    for wait_s in waits_s:
        clock.now_s += wait_s
        gaps.renewed("w1")


def test_renewals_with_jitter_are_all_kept(gaps: RenewalGaps, clock: Clock) -> None:
    renew_after(gaps, clock, 0.4, 0.6, 0.5, 0.75)
    found = gaps.report()
    assert (found.kept, found.missed, found.share) == (4, 0, 1.0)
    assert found.longest_s == pytest.approx(0.75)


def test_each_period_without_a_success_is_a_missed_renewal(gaps: RenewalGaps, clock: Clock) -> None:
    renew_after(gaps, clock, 0.5, 2.1)
    found = gaps.report()
    assert (found.kept, found.missed) == (2, 3)
    assert found.share == pytest.approx(0.4)


def test_the_time_since_the_last_success_counts(gaps: RenewalGaps, clock: Clock) -> None:
    clock.now_s += 10.0
    found = gaps.report()
    assert (found.kept, found.missed) == (0, 19)
    assert found.longest_s == pytest.approx(10.0)


def test_each_worker_has_gaps_of_its_own(gaps: RenewalGaps, clock: Clock) -> None:
    gaps.begin("w2")
    clock.now_s += 0.5
    gaps.renewed("w1")
    clock.now_s += 0.5
    gaps.renewed("w1")
    assert gaps.report().missed == 1  # of w2


def test_after_a_reset_nothing_is_missed(gaps: RenewalGaps, clock: Clock) -> None:
    renew_after(gaps, clock, 5.0)
    gaps.reset()
    renew_after(gaps, clock, 0.5)
    found = gaps.report()
    assert (found.kept, found.missed) == (1, 0)
    assert found.longest_s == pytest.approx(0.5)


def test_without_renewals_the_share_is_zero() -> None:
    assert Gaps(kept=0, missed=0, longest_s=0.0).share == 0.0


def test_the_reports_of_processes_are_added() -> None:
    reports = [
        {"kept": 3, "missed": 1, "longest_s": 0.6},
        {"kept": 5, "missed": 0, "longest_s": 0.9},
    ]
    assert Gaps.sum_of(reports) == Gaps(kept=8, missed=1, longest_s=0.9)
