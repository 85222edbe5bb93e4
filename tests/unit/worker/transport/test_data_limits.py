"""The rate of a participant's data: a person stays within it, a flood does not."""

from __future__ import annotations

from worker.transport.data_limits import (
    BYTES,
    LEAST_BYTES,
    MESSAGES,
    MOST_STREAM_BYTES,
    MOST_TEXT_BYTES,
    SenderLimits,
)


def sent(limits: SenderLimits, number: int, *, size: int = 300, at_s: float = 0.0) -> int:
    """Return how many of `number` messages, sent at once, were within the limits."""
    return sum(limits.within("ada", size=size, messages=1, now_s=at_s) for _ in range(number))


def test_a_person_who_types_a_message_each_second_stays_within_the_limits() -> None:
    limits = SenderLimits()
    assert all(
        limits.within("ada", size=2_000, messages=1, now_s=float(second)) for second in range(3600)
    )


def test_the_longest_message_that_is_read_is_within_the_limits() -> None:
    limits = SenderLimits()
    chunks = MOST_STREAM_BYTES // 15_000 + 1
    assert limits.within("ada", size=300, messages=1, now_s=0.0)
    assert all(limits.within("ada", size=15_300, messages=0, now_s=0.0) for _ in range(chunks))
    assert MOST_TEXT_BYTES < MOST_STREAM_BYTES


def test_of_five_hundred_messages_at_once_those_beyond_the_burst_are_not_within() -> None:
    limits = SenderLimits()
    assert sent(limits, 500) == MESSAGES[0]
    assert limits.is_beyond("ada")


def test_of_sixty_megabytes_little_more_than_the_burst_is_within() -> None:
    limits = SenderLimits()
    size = 15_000
    within = [
        limits.within("ada", size=size, messages=0, now_s=number * size / 60e6)
        for number in range(4_000)
    ]
    assert sum(within) * size <= BYTES[0] + BYTES[1]


def test_many_small_parts_of_one_message_exceed_the_limit_too() -> None:
    limits = SenderLimits()
    parts = [limits.within("ada", size=1, messages=0, now_s=0.0) for _ in range(10_000)]
    assert sum(parts) == BYTES[0] // LEAST_BYTES


def test_a_participant_stays_beyond_the_limits_and_others_are_not_affected() -> None:
    limits = SenderLimits()
    sent(limits, 500)
    assert sent(limits, 1, at_s=3600.0) == 0
    assert limits.within("bob", size=300, messages=1, now_s=3600.0)
    assert not limits.is_beyond("bob")
