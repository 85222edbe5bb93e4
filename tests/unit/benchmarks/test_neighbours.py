"""Figures of the neighbours of an attacking candidate."""

from __future__ import annotations

from benchmarks.neighbours import ATTACKED, ELSEWHERE, QUIET, Arm, _figures


def test_the_limit_with_an_attack_is_a_tenth_above_the_median_without_one() -> None:
    arms = {
        QUIET: Arm(latencies_s=[1.0, 1.2, 0.8], loads=[2.0]),
        ELSEWHERE: Arm(latencies_s=[1.1], loads=[2.0]),
        ATTACKED: Arm(latencies_s=[1.3], loads=[3.0]),
    }
    figures = [each for each in _figures(arms) if each.unit == "s"]
    assert [(each.who, each.median, each.target) for each in figures] == [
        (QUIET, 1.0, None),
        (ELSEWHERE, 1.1, None),
        (ATTACKED, 1.3, 1.1),
    ]


def test_an_arm_whose_interviews_did_not_end_has_no_latency_and_no_limit() -> None:
    arms = {QUIET: Arm(loads=[30.0]), ELSEWHERE: Arm(), ATTACKED: Arm(latencies_s=[1.0])}
    figures = _figures(arms)
    assert [(each.who, each.target) for each in figures] == [(ATTACKED, None), (QUIET, None)]
