"""Figures of the neighbours of an attacking candidate."""

from __future__ import annotations

from benchmarks.neighbours import ATTACKED, ELSEWHERE, QUIET, Arm, _figures


def test_the_limit_is_a_tenth_more_than_with_an_attack_on_a_room_without_a_worker() -> None:
    arms = {
        QUIET: Arm(latencies_s=[1.0, 1.2, 0.8], loads=[2.0]),
        ELSEWHERE: Arm(latencies_s=[1.25], loads=[2.0]),
        ATTACKED: Arm(latencies_s=[1.5], loads=[3.0], broken_off=1),
    }
    figures = _figures(arms)
    assert [(each.who, each.median) for each in figures if each.unit == "s"] == [
        (QUIET, 1.0),
        (ELSEWHERE, 1.25),
        (ATTACKED, 1.5),
    ]
    assert [(each.who, each.median, each.target) for each in figures if "median" in each.what] == [
        (f"of that with: {QUIET}", 1.5, None),
        (f"of that with: {ELSEWHERE}", 1.2, 1.1),
    ]
    assert [(each.who, each.median, each.target) for each in figures if "broke" in each.what] == [
        (QUIET, 0, None),
        (ELSEWHERE, 0, None),
        (ATTACKED, 1, 1),
    ]


def test_rounds_without_a_whole_interview_have_no_latency_and_give_no_ratio() -> None:
    arms = {QUIET: Arm(loads=[30.0]), ELSEWHERE: Arm(), ATTACKED: Arm(latencies_s=[1.0])}
    figures = _figures(arms)
    assert [each.who for each in figures if each.unit == "s"] == [ATTACKED]
    assert [each for each in figures if "median" in each.what] == []
