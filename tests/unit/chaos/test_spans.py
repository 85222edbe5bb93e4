"""Time spans, and the spans of what was unavailable."""

from __future__ import annotations

from tests.chaos.spans import Lapses, Span, common, without


def span(start_s: float, end_s: float) -> Span:
    return Span(start_s=start_s, end_s=end_s)


def test_the_times_that_two_collections_have_in_common_are_found() -> None:
    some = [span(0, 4), span(3, 6), span(8, 9)]
    assert common(some, [span(5, 8.5)]) == [span(5, 6), span(8, 8.5)]
    assert common(some, []) == []
    assert common(some, [span(6, 8)]) == []


def test_the_parts_of_a_span_without_others_are_found() -> None:
    whole = span(10, 20)
    assert without(whole, []) == [whole]
    assert without(whole, [span(0, 5), span(25, 30)]) == [whole]
    assert without(whole, [span(14, 15), span(12, 14.5)]) == [span(10, 12), span(15, 20)]
    assert without(whole, [span(5, 11), span(18, 25)]) == [span(11, 18)]
    assert without(whole, [span(5, 25)]) == []


def test_a_lapse_lasts_from_the_first_failure_to_the_next_success() -> None:
    lapses = Lapses()
    for available, start_s, end_s in [
        (True, 0.0, 0.1),
        (False, 1.0, 1.1),
        (False, 1.2, 3.2),
        (True, 3.3, 3.4),
        (True, 4.0, 4.1),
    ]:
        lapses.observe(available=available, start_s=start_s, end_s=end_s)
    assert lapses.spans == [span(1.0, 3.4)]


def test_an_open_lapse_lasts_until_the_last_observation() -> None:
    lapses = Lapses()
    assert lapses.spans == []
    lapses.observe(available=False, start_s=1.0, end_s=1.5)
    lapses.observe(available=False, start_s=2.0, end_s=2.5)
    assert lapses.spans == [span(1.0, 2.5)]
