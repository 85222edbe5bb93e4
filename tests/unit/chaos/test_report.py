"""The report of a chaos run in words."""

from __future__ import annotations

import pytest

from tests.chaos.evidence import RoundEvidence, Struck
from tests.chaos.report import strike_line, summary, table
from tests.chaos.run import RoundResult
from tests.chaos.spans import Span
from tests.chaos.verdict import Verdict


def struck(kind: str, target: str = "", *, until_s: float = 14.0, hit: bool = True) -> Struck:
    note = "" if hit else "no job is running"
    span = Span(start_s=12.0, end_s=until_s)
    return Struck(kind=kind, target=target, span=span, hit=hit, note=note)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            struck("pause-main", "1"),
            "    2.0 s for 2.0 s: SIGSTOP to a worker's main process, then SIGCONT; its jobs"
            " continue (pause-main of worker 1)",
        ),
        (
            struck("kill-job", "0", until_s=12.0),
            "    2.0 s: SIGKILL to the process of an interview (kill-job of interview 0)",
        ),
        (
            struck("kill-job", "0", until_s=12.0, hit=False),
            "    2.0 s: SIGKILL to the process of an interview (kill-job of interview 0)"
            " (missed: no job is running)",
        ),
    ],
)
def test_a_fault_is_told_with_its_time_its_duration_and_what_it_did(
    fault: Struck, line: str
) -> None:
    assert strike_line(fault, 10.0) == line


def result_of(*faults: Struck, first_words_s: tuple[float, ...] = ()) -> RoundResult:
    return RoundResult(
        evidence=RoundEvidence(number=1, interviews=[], struck=faults),
        verdict=Verdict(
            violations=(),
            returns=(),
            silences_s=(),
            answers=0,
            unheard=0,
            halting=0,
            misheard=0,
            ends=(),
            first_words_s=first_words_s,
        ),
    )


def test_the_table_names_each_kind_of_fault_in_words() -> None:
    lines = table(summary(7, [result_of(struck("fill-disk", "0"), struck("fill-disk", "1"))]))
    assert "  2 x a worker's disk is full (fill-disk)" in lines.splitlines()
    assert "burst" not in lines


def test_the_table_says_how_long_the_candidates_of_bursts_waited() -> None:
    figures = summary(7, [result_of(struck("dispatch-burst"), first_words_s=(2.0, 3.0, 7.5))])
    assert (
        "first words of an interview of a burst after: median 3.0 s, worst 7.5 s (3 times)"
        in table(figures).splitlines()
    )
