"""The token bucket, with times given by the test."""

from __future__ import annotations

import pytest

from worker.aio.token_bucket import TokenBucket


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(burst=3.0, per_second=0.5)
    for _ in range(3):
        assert bucket.wait_s(100.0) == 0.0
        bucket.take()
    assert bucket.wait_s(100.0) == pytest.approx(2.0)
    assert bucket.wait_s(102.0) == 0.0
    assert bucket.wait_s(102.0, 1.1) == pytest.approx(0.2)


def test_a_quiet_time_fills_the_bucket_and_no_further() -> None:
    bucket = TokenBucket(burst=3.0, per_second=0.5)
    bucket.wait_s(0.0)
    bucket.take(3)
    assert bucket.wait_s(1000.0, 3) == 0.0
    assert bucket.wait_s(1000.0, 3.1) == pytest.approx(0.2)


def test_the_bucket_is_full_at_its_first_use_and_a_clock_that_goes_back_takes_nothing() -> None:
    bucket = TokenBucket(burst=2.0, per_second=1.0)
    assert bucket.wait_s(50_000.0, 2) == 0.0
    assert bucket.wait_s(0.0, 2) == 0.0
