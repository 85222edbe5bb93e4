"""`interview-worker jobs`: a job as tables."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from states import History
from worker.cli.jobs import print_history

STEP = {"kind": "step", "elapsed_ms": 5.0, "attempts": 1}
RECORDS: tuple[dict[str, Any], ...] = (
    {"kind": "job", "job_id": "AJ_[/red]", "interview_id": "iv\x1b[31m"},
    {**STEP, "name": "connect", "ok": True, "reason": "Connected"},
    {**STEP, "name": "load [vad]", "ok": False, "reason": "LoadTimeout"},
)


@pytest.fixture
def history() -> History:
    records = enumerate(RECORDS)
    return History.from_records({"v": 1, "seq": n, "t": float(n), **each} for n, each in records)


def lines(history: History, **options: Any) -> list[str]:
    output = io.StringIO()
    print_history(history, Console(file=output, width=100, **options))
    return output.getvalue().splitlines()


def test_a_job_is_printed_without_markup_and_control_characters(history: History) -> None:
    printed = lines(history)
    assert printed[0] == "job AJ_[/red]  interview iv\N{REPLACEMENT CHARACTER}[31m"
    (failed,) = [line for line in printed if "LoadTimeout" in line]
    assert failed.split() == ["load", "[vad]", "LoadTimeout", "5", "ms", "1"]


def test_only_a_failed_step_is_red(history: History) -> None:
    printed = lines(history, force_terminal=True, color_system="standard", no_color=False)
    for line in printed:
        if "LoadTimeout" in line:
            assert "\x1b[31m" in line
        elif "Connected" in line:
            assert "\x1b[31m" not in line
