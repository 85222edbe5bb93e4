"""The faults of a chaos run: a pure function of the seed, and each round survivable."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest

from tests.chaos.kinds import DEADLY, OF_A_WORKER, OF_THE_DATABASE, Kind
from tests.chaos.schedule import (
    BURST_APART_S,
    DEATH_APART_S,
    FAULTS_A_ROUND,
    ROUND_S,
    WORKER_APART_S,
    Fault,
    Round,
    draw,
    may_both_strike,
)

SEEDS = range(20)


@cache
def rounds_of(seed: int) -> tuple[Round, ...]:
    """Return a run of 60 faults."""
    return tuple(draw(seed, 60))


def pairs(round_: Round) -> list[tuple[Fault, Fault]]:
    """Return all pairs of faults in a round, the earlier fault first."""
    return list(combinations(round_, 2))


def test_a_seed_repeats_the_same_faults_and_another_draws_others() -> None:
    assert draw(7, 40) == draw(7, 40)
    assert draw(7, 40) != draw(8, 40)


@pytest.mark.parametrize("faults", [1, 6, 7, 40])
def test_as_many_faults_are_drawn_as_were_asked_for(faults: int) -> None:
    rounds = draw(3, faults)
    assert sum(map(len, rounds)) == faults
    assert max(map(len, rounds)) <= FAULTS_A_ROUND


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kind_comes_within_a_run_of_60_faults_and_in_time(seed: int) -> None:
    faults = [fault for round_ in rounds_of(seed) for fault in round_]
    assert {fault.kind for fault in faults} == set(Kind)
    assert all(0 <= fault.at_s <= ROUND_S for fault in faults)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_of_three_workers_are_left_at_any_time(seed: int) -> None:
    for round_ in rounds_of(seed):
        workers = [fault for fault in round_ if fault.kind in OF_A_WORKER]
        for first, second in pairs(tuple(workers)):
            assert second.at_s - first.until_s >= WORKER_APART_S


@pytest.mark.parametrize("seed", SEEDS)
def test_an_interview_has_time_to_come_back_before_it_loses_the_next_interviewer(seed: int) -> None:
    for round_ in rounds_of(seed):
        deadly = [fault for fault in round_ if fault.kind in DEADLY]
        for first, second in pairs(tuple(deadly)):
            other_interviews = {first.kind, second.kind}.isdisjoint(OF_A_WORKER)
            if not (other_interviews and first.target != second.target):
                assert second.at_s - first.until_s >= DEATH_APART_S


@pytest.mark.parametrize("seed", SEEDS)
def test_livekit_and_the_database_are_never_away_together_nor_a_disk_full_meanwhile(
    seed: int,
) -> None:
    for round_ in rounds_of(seed):
        for first, second in pairs(round_):
            outer = OF_THE_DATABASE | {Kind.KILL_LIVEKIT, Kind.FILL_DISK}
            both = {first.kind, second.kind}
            if both <= outer and both & OF_THE_DATABASE:
                assert second.at_s > first.until_s


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rolling_restart_begins_early_and_no_other_fault_of_its_round_ends_an_interviewer(
    seed: int,
) -> None:
    for round_ in rounds_of(seed):
        rolling = [fault for fault in round_ if fault.kind is Kind.ROLLING_RESTART]
        if rolling:
            assert rolling[0].at_s <= 5.0
            assert [fault.kind for fault in round_ if fault.kind in DEADLY] == [rolling[0].kind]
            assert Kind.FILL_DISK not in {fault.kind for fault in round_}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_database_is_far_away_only_while_it_is_available(seed: int) -> None:
    for round_ in rounds_of(seed):
        for first, second in pairs(round_):
            both = {first.kind, second.kind}
            if Kind.DELAY_DATABASE in both and both <= OF_THE_DATABASE | {Kind.DELAY_DATABASE}:
                assert second.at_s > first.until_s


@pytest.mark.parametrize("seed", SEEDS)
def test_a_round_has_one_burst_at_most_and_no_outage_of_livekit_near_it(seed: int) -> None:
    for round_ in rounds_of(seed):
        kinds = [fault.kind for fault in round_]
        assert kinds.count(Kind.DISPATCH_BURST) <= 1
        for first, second in pairs(round_):
            if {first.kind, second.kind} == {Kind.DISPATCH_BURST, Kind.KILL_LIVEKIT}:
                assert second.at_s - first.until_s >= BURST_APART_S


def test_a_paused_main_process_counts_as_a_worker_that_is_away() -> None:
    pause = Fault(at_s=1.0, kind=Kind.PAUSE_MAIN, target="0", for_s=5.0)
    kill = Fault(at_s=10.0, kind=Kind.KILL_WORKER, target="1")
    assert not may_both_strike(pause, kill)


def test_two_faults_that_concern_different_things_may_strike_at_once() -> None:
    kill = Fault(at_s=1.0, kind=Kind.KILL_JOB, target="0")
    other = Fault(at_s=1.0, kind=Kind.KILL_JOB, target="1")
    slow = Fault(at_s=1.0, kind=Kind.SLOW_PROVIDER, target="tts", for_s=5.0)
    worker = Fault(at_s=1.0, kind=Kind.KILL_WORKER, target="1")
    assert may_both_strike(kill, other)
    assert may_both_strike(kill, slow)
    assert not may_both_strike(kill, worker)


def test_a_fault_is_shown_in_one_line() -> None:
    fault = Fault(at_s=3.2, kind=Kind.STALL_PROVIDER, target="stt", for_s=4.0)
    assert str(fault) == "  3.2 s  stall-provider stt for 4.0 s"
