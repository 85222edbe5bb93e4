"""Delays of an exponential back-off: growth, limits, jitter and reset, on virtual time."""

from __future__ import annotations

import asyncio
from itertools import islice, pairwise

import pytest

from worker.aio.backoff import ExponentialBackoff


def first_delays(backoff: ExponentialBackoff, number: int) -> list[float]:
    return list(islice(backoff.delays(), number))


def test_without_jitter_delays_double_up_to_the_limit() -> None:
    backoff = ExponentialBackoff(first_s=1.0, longest_s=10.0, jitter=0.0)
    assert first_delays(backoff, 6) == [1, 2, 4, 8, 10, 10]


def test_delays_grow_by_the_factor() -> None:
    backoff = ExponentialBackoff(first_s=1.0, longest_s=20.0, factor=3.0, jitter=0.0)
    assert first_delays(backoff, 4) == [1, 3, 9, 20]


@pytest.mark.parametrize("jitter", [0.5, 1.0])
def test_jitter_spreads_every_delay_below_its_limit(jitter: float) -> None:
    backoff = ExponentialBackoff(first_s=1.0, longest_s=4.0, jitter=jitter)
    rounds = [first_delays(backoff, 4) for _ in range(200)]
    for drawn, limit_s in zip(zip(*rounds, strict=True), [1.0, 2.0, 4.0, 4.0], strict=True):
        shortest_s = limit_s * (1 - jitter)
        assert all(shortest_s <= delay_s <= limit_s for delay_s in drawn)
        quarter_s = (limit_s - shortest_s) / 4
        assert min(drawn) < shortest_s + quarter_s
        assert max(drawn) > limit_s - quarter_s


def test_new_delays_begin_with_the_first_one() -> None:
    backoff = ExponentialBackoff(first_s=1.0, longest_s=60.0, jitter=0.0)
    delays = backoff.delays()
    assert list(islice(delays, 4)) == [1, 2, 4, 8]
    assert next(backoff.delays()) == 1
    assert next(delays) == 16


@pytest.mark.looptime
async def test_a_loop_that_never_succeeds_waits_the_longest_delay_in_the_end() -> None:
    backoff = ExponentialBackoff(first_s=0.5, longest_s=30.0)
    loop = asyncio.get_running_loop()
    tried_at = [loop.time()]
    for delay_s in islice(backoff.delays(), 100):
        await asyncio.sleep(delay_s)
        tried_at.append(loop.time())
    waits = [later - earlier for earlier, later in pairwise(tried_at)]
    assert sum(waits[:6]) < 32
    assert all(14.9 < wait_s < 30.1 for wait_s in waits[6:])
