"""The targets of the start-up benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import startup
from tests.support.virtual.journal_parts import numbered, step, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row("S7")
def test_the_benchmark_judges_by_the_targets_that_were_asked_for(
    tmp_path: Path,
) -> None:

    log = tmp_path / "log"
    lines = ("handshake_start", "ctx_connected", "session_started", "init_done")
    log.write_text(
        2 * "".join(f'{{"event": "{event}", "elapsed_ms": 1}}\n' for event in lines),
        encoding="utf-8",
    )
    for job in ("AJ_1", "AJ_2"):
        write(tmp_path / f"{job}.jsonl", numbered([step("connect", 0.1), step("load vad", 0.2)]))
    contender = startup.Contender(
        who=startup.OURS, agent_name="ours", pid=1, log=log, metadata=startup._no_metadata
    )
    figures = [*startup._start_up_lines([contender]), *startup._steps(tmp_path)]
    assert {each.what: each.target for each in figures if each.target is not None} == {
        "job received to ctx_connected": 300,
        "step: connect": 200,
        "job received to init_done": 800,
        "step: load vad": 2000,
    }
