"""`interview-worker demo`: what it prints at its end."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from states import History
from worker.cli.demo import _print_result


def test_an_output_folder_with_brackets_in_its_name_is_printed_as_it_is() -> None:
    output = io.StringIO()
    history = History.from_records(
        [{"v": 1, "seq": 0, "t": 0.0, "kind": "job", "job_id": "AJ_1", "interview_id": "one"}]
    )
    _print_result(Console(file=output, width=100), history, Path("/out/[/x]"))
    assert "  /out/[/x]/journal.jsonl  the job's journal;" in output.getvalue()
