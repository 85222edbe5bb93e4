"""Malformed journal records: the metrics ignore them, and keep their page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.virtual.journal_parts import condition, record, step, transition
from worker.telemetry.job_view import JobView
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

HUGE = 10**400
INFINITE = float("inf")


def nested(levels: int = 5000) -> Any:
    """Return lists inside each other, more levels than the text of a value can have."""
    value: Any = "inside"
    for _ in range(levels):
        value = [value]
    return value


def figures(metrics: Metrics) -> Iterator[float]:
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            if family.name.startswith("interview_"):
                yield sample.value


MALFORMED = [
    *(record("turn", 1.0, speaker="candidate", latency={"llm": s}) for s in (HUGE, INFINITE)),
    *(record("fault", 1.0, where="turn", error="x", rung="clip", silent_s=s) for s in (HUGE, "a")),
    record("fault", 1.0, where="loop", error="LoopStalled", stalled_s=INFINITE),
    *(step("load vad", 1.0, attempts=n) for n in (HUGE, INFINITE, None)),
    step("load vad", 1.0, elapsed_ms=INFINITE),
    transition("HANDSHAKE", "room_connected", "CONNECTED", INFINITE),
    transition(nested(), "room_connected", "CONNECTED", 1.0),
    condition(nested(), "lost", "Gone", 1.0),
    record("job", HUGE),
]


@pytest.mark.parametrize("malformed", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_record_neither_raises_nor_leaves_an_infinite_figure(
    malformed: dict[str, Any],
) -> None:
    metrics, view = Metrics(), JobView("AJ_1")
    metrics.take(view, malformed)
    view.apply(malformed)
    metrics.show_jobs([view], unresponsive=0)
    assert all(map(math.isfinite, figures(metrics)))


def test_half_a_surrogate_pair_in_a_label_does_not_prevent_the_page() -> None:
    metrics, view = Metrics(), JobView("AJ_1")
    metrics.take(view, record("fault", 1.0, where="\ud83d", error="\ud83d"))
    assert b'where="?"' in metrics.page()
