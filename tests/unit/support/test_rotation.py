"""The share of the rotating tests that runs on a commit."""

from __future__ import annotations

import pytest

from tests.support.rotation import SHARES, others, share_of

ROTATING = {f"test_{number:02}": number for number in range(20)}


def test_each_rotating_test_runs_in_exactly_one_share() -> None:
    runs = [set(ROTATING.values()) - set(others(ROTATING, share)) for share in range(SHARES)]
    assert sorted(number for each in runs for number in each) == sorted(ROTATING.values())


def test_the_shares_are_of_one_size_and_neighbours_are_apart() -> None:
    kept = [len(ROTATING) - len(others(ROTATING, share)) for share in range(SHARES)]
    assert max(kept) - min(kept) <= 1
    assert 1 in others(ROTATING, 0)


def test_a_short_hash_chooses_as_the_whole_one_does() -> None:
    whole = "f097ec9b1d2c3e4f5a6b7c8d9e0f1a2b3c4d5e6f"
    assert share_of(whole) == share_of(whole[:7])
    assert {share_of(f"{number:07x}") for number in range(100)} == set(range(SHARES))


def test_what_is_no_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        share_of("main")
