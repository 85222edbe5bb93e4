"""`interview-worker diagram --dialogue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from states import FileJournal
from tests.support.dialogues import HEARD, TODAY, begun, say
from worker.cli.app import app
from worker.cli.common import ExitCode
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.journal_record import append

if TYPE_CHECKING:
    from pathlib import Path


def drawn(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["diagram", "--dialogue", *arguments])


def journal_of(path: Path) -> FileJournal:
    journal = FileJournal(path)
    journal.append("job", 0.0, job_id="AJ_1", room="room-1")
    return journal


@pytest.fixture
def job(tmp_path: Path) -> str:
    """Return the journal of a job in which the candidate asked for time, and then answered."""
    driven = begun(TODAY)
    driven.give(say(Act.WAIT), HEARD, say(Act.READY), HEARD, say(Act.ANSWER))
    journal = journal_of(tmp_path / "job.jsonl")
    for t, record in enumerate(driven.records):
        append(journal, float(t), record)
    journal.close()
    return str(tmp_path / "job.jsonl")


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_the_dialogue_is_drawn_in_each_format_of_text(form: str) -> None:
    shown = drawn("--format", form)
    assert shown.exit_code == 0, shown.output
    assert "CLARIFYING" in shown.output
    assert "1 visit" not in shown.output


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_the_path_of_a_job_is_drawn_in_each_format_of_text(form: str, job: str) -> None:
    shown = drawn("--format", form, "--job", job)
    assert shown.exit_code == 0, shown.output
    assert "Job AJ_1: " in shown.output
    assert "from ARRIVING to ASKING:q2" in shown.output
    assert "2 visits" in shown.output  # ASKING, LISTENING
    assert "1x" in shown.output


def test_the_path_of_a_job_is_drawn_as_png(job: str, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    shown = drawn("--format", "png", "--job", job, "-o", str(tmp_path / "path.png"))
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "path.png").read_bytes().startswith(b"\x89PNG")


def test_a_journal_without_records_of_a_dialogue_ends_with_one_line(tmp_path: Path) -> None:
    journal_of(tmp_path / "job.jsonl").close()
    shown = drawn("--job", str(tmp_path / "job.jsonl"))
    assert shown.exit_code == ExitCode.NOT_FOUND
    assert shown.stdout == ""
    (line,) = shown.stderr.splitlines()
    assert line == "interview-worker: the journal of job AJ_1 has no records of a dialogue"


def test_a_missing_journal_ends_with_one_line(tmp_path: Path) -> None:
    shown = drawn("--job", str(tmp_path / "job.jsonl"))
    assert shown.exit_code == ExitCode.NOT_FOUND
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.parametrize("wrong", [{"to": "GREETING"}, {"to": "GREETING", "number": []}])
def test_a_record_of_a_dialogue_that_cannot_be_read_ends_with_one_line(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    journal = journal_of(tmp_path / "job.jsonl")
    journal.append("dialogue", 1.0, **wrong)
    journal.close()
    shown = drawn("--job", str(tmp_path / "job.jsonl"))
    assert shown.exit_code == ExitCode.FAILED
    (line,) = shown.stderr.splitlines()
    assert "a record of the dialogue of job AJ_1 cannot be read" in line
