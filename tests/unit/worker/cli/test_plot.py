"""`interview-worker plot`, `blame` and `critical-chain`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from scripts.diagrams import degraded, failed, healthy
from states import Event, FileJournal, History, Lifecycle
from states.testing import run_virtual
from states.timeline import startup
from tests.support.virtual.job_parts import settings_in
from worker.cli.app import app
from worker.cli.common import ExitCode
from worker.cli.starts import newest_journals
from worker.job.recorder import JobRecorder
from worker.resources.resource import LoadReport


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    (tmp_path / "journals" / "shipped").mkdir(parents=True)
    return tmp_path / "journals"


def records_of(history: History) -> Iterator[dict[str, Any]]:
    """Yield the records of a journal with this history, without condition records."""
    yield {"kind": "job", "t": 0.0, **history.header}
    for x in history.transitions:
        ways = {"from": x.source, "event": x.event, "to": x.target}
        yield {"kind": "transition", "t": x.t, **ways, "outcome": x.outcome, "reason": x.reason}
    for step in history.steps:
        yield {"kind": "step", **asdict(step)}


def write(path: Path, history: History, *, version: int = 1, age_s: float = 0.0) -> Path:
    """Write a journal file that is `age_s` seconds old."""
    lines = [
        json.dumps({"v": version, "seq": seq, "at": "", **record})
        for seq, record in enumerate(records_of(history))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.utime(path, (1e9 - age_s, 1e9 - age_s))
    return path


def run(*arguments: str | Path, folder: Path) -> Result:
    # Wide enough to keep every line unwrapped.
    env = {"INTERVIEW_DATA_DIR": str(folder.parent), "COLUMNS": "200", "DATABASE_URL": ""}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


def assert_one_line(result: Result, code: ExitCode, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("interview-worker: ")
    assert all(word in result.stderr for word in words), result.stderr


# --- one job ------------------------------------------------------------------------------------


def test_a_job_is_plotted_by_its_id_into_a_file(journals: Path, tmp_path: Path) -> None:
    write(journals / "shipped" / "AJ_1.jsonl", degraded())
    result = run("plot", "AJ_1", "-o", tmp_path / "a.svg", folder=journals)
    assert (result.exit_code, result.output) == (0, "")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag.endswith("svg")  # noqa: S314  # our own document
    assert "LoadTimeout" in text


def test_whole_adds_the_closing_steps_to_the_plot(journals: Path) -> None:
    path = write(journals / "AJ_1.jsonl", degraded())
    short, long = run("plot", path, folder=journals), run("plot", path, "--whole", folder=journals)
    assert "close_resources" in long.output
    assert "close_resources" not in short.output


def test_the_file_extension_png_selects_png(journals: Path, tmp_path: Path) -> None:
    path = write(journals / "AJ_1.jsonl", failed())
    assert run("plot", path, "-o", tmp_path / "a.png", folder=journals).exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (
        run("plot", path, "-o", tmp_path / "b.png", "--format", "svg", folder=journals).exit_code
        == 0
    )
    assert (tmp_path / "b.png").read_bytes().startswith(b"<svg")


def test_the_critical_chain_is_printed_in_systemd_style(journals: Path) -> None:
    path = write(journals / "AJ_1.jsonl", degraded())
    lines = run("critical-chain", path, folder=journals).output.splitlines()
    assert lines[2:] == [
        "RUNNING @2.304 s",
        "└─start_session @2.136 s +167 ms",
        "  └─load orchestrator @2.121 s +13 ms",
        "    └─load database @0.121 s +2.00 s LoadTimeout",
        "      └─connect @0.003 s +115 ms",
    ]


def test_the_critical_chain_of_a_job_that_never_ran_ends_with_its_reason(journals: Path) -> None:
    path = write(journals / "AJ_1.jsonl", failed())
    assert (
        "CLOSING @2.124 s failed · OrchestratorFailed"
        in run("critical-chain", path, folder=journals).output
    )
    found = json.loads(run("critical-chain", path, "--json", folder=journals).output)
    assert (found["reached"], found["reason"]) == ("CLOSING", "OrchestratorFailed")
    assert [link["name"] for link in found["chain"]] == [
        "connect",
        "load database",
        "load orchestrator",
    ]


def test_blame_lists_the_slowest_step_first_with_tries_and_result(journals: Path) -> None:
    path = write(journals / "AJ_1.jsonl", degraded())
    lines = run("blame", path, folder=journals).output.splitlines()
    assert lines[1].split() == [
        "2.00", "s", "load", "database", "*", "LoadTimeout", "1", "@0.121", "s", "BOOTSTRAPPING"
    ]  # fmt: skip
    found = json.loads(run("blame", path, "--json", folder=journals).output)
    assert [s["elapsed_ms"] for s in found] == sorted(
        (s["elapsed_ms"] for s in found), reverse=True
    )
    tts = next(s for s in found if s["name"] == "load tts")
    assert (tts["attempts"], tts["ok"], tts["reason"]) == (3, False, "Refused")


def test_a_loaders_step_record_has_its_needs_and_budget(tmp_path: Path) -> None:
    async def job() -> None:
        async with Lifecycle(journal=FileJournal(tmp_path / "j.jsonl")) as life:
            await life.fire(Event.ROOM_CONNECTED)
            book = JobRecorder(life)
            plain = {"ok": True, "reason": "Loaded", "elapsed_ms": 5.0, "attempts": 2}
            report = LoadReport(name="plan", needs=("database",), budget_s=3.0, **plain)  # type: ignore[arg-type]
            book.loader("load plan", report)
            book.loader("close plan", LoadReport(name="plan", **plain))  # type: ignore[arg-type]
            life.journal.close()

    run_virtual(job())
    loader, closer = History.read(tmp_path / "j.jsonl").steps
    assert (loader.needs, loader.budget_s) == (("database",), 3.0)
    assert (closer.needs, closer.budget_s) == (None, None)


# --- many jobs ----------------------------------------------------------------------------------


def test_last_summarizes_many_jobs_and_counts_the_skipped_journals(journals: Path) -> None:
    for number in range(3):
        write(journals / f"AJ_{number}.jsonl", healthy())
    write(journals / "shipped" / "AJ_slow.jsonl", degraded())
    write(journals / "AJ_newer.jsonl", healthy(), version=99)
    write(journals / "AJ_failed.jsonl", failed())
    (journals / "AJ_empty.jsonl").touch()
    (journals / "AJ_broken.jsonl").write_bytes(b'\xff\n{"v": 1}\n')
    (journals / "AJ_odd.jsonl").mkdir()
    note = "Skipped: "
    result = run("blame", "--last", "100", folder=journals)
    assert result.exit_code == 0
    passed = next(line for line in result.output.splitlines() if line.startswith(note))
    assert sorted(passed.removeprefix(note).rstrip(".").split(", ")) == [
        "1 never RUNNING",
        "1 of a newer version",
        "1 still starting or cut short",
        "2 broken",
    ]
    assert "Slowest: load database" in result.output
    found = json.loads(run("blame", "--last", "100", "--json", folder=journals).output)
    assert (found["jobs"], found["within_target"]) == (4, 3)
    assert found["steps"][0]["name"] == "load database"
    assert found["steps"][0]["max_ms"] == 2000
    assert note in run("plot", "--last", "100", folder=journals).output


def test_an_unfinished_journal_counts_once_its_job_has_started(journals: Path) -> None:
    whole = write(journals / "AJ_1.jsonl", healthy()).read_bytes().splitlines(keepends=True)
    steps = [line for line in whole if b'"step"' in line and b"stop_" not in line]
    running = next(n for n, line in enumerate(whole) if b'"to": "RUNNING"' in line)
    (journals / "AJ_1.jsonl").write_bytes(
        b"".join([*whole[: running + 1], *steps, b'{"v": 1, "se'])
    )
    found = json.loads(run("blame", "--last", "5", "--json", folder=journals).output)
    assert (found["jobs"], found["passed_over"]) == (1, {})


def test_only_the_newest_journals_are_read_newest_first(tmp_path: Path, journals: Path) -> None:
    for age in (3, 1, 2):
        write(journals / f"AJ_{age}.jsonl", healthy(), age_s=age)
    write(journals / "shipped" / "AJ_0.jsonl", healthy(), age_s=0)
    newest = newest_journals(settings_in(tmp_path), 3)
    assert [path.stem for path in newest] == ["AJ_0", "AJ_1", "AJ_2"]


# --- invalid input --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["plot", "blame", "critical-chain"])
def test_an_unusable_journal_is_reported_in_one_line(command: str, journals: Path) -> None:
    empty, broken = journals / "AJ_empty.jsonl", journals / "AJ_broken.jsonl"
    empty.touch()
    broken.write_text("not a record\nnor this\n", encoding="utf-8")
    newer = write(journals / "AJ_newer.jsonl", healthy(), version=99)
    gone = journals / "AJ_gone.jsonl"
    assert_one_line(run(command, gone, folder=journals), ExitCode.NOT_FOUND, "AJ_gone")
    assert_one_line(run(command, "AJ_empty", folder=journals), ExitCode.FAILED, "empty")
    assert_one_line(run(command, broken, folder=journals), ExitCode.FAILED, "not a record")
    assert_one_line(run(command, newer, folder=journals), ExitCode.FAILED, "newer")
    assert_one_line(run(command, "../passwd", folder=journals), ExitCode.FAILED, "not a job's id")


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"soon"', "1e400"])
def test_an_invalid_time_makes_a_record_broken(value: str, journals: Path) -> None:
    path = write(journals / "AJ_1.jsonl", healthy())
    path.write_text(path.read_text(encoding="utf-8").replace("0.118", value), encoding="utf-8")
    assert_one_line(run("plot", path, folder=journals), ExitCode.FAILED, "record")


def test_a_torn_last_line_is_ignored(journals: Path) -> None:
    path = write(journals / "AJ_1.jsonl", healthy())
    path.write_bytes(path.read_bytes()[:-9])
    assert run("plot", path, folder=journals).exit_code == 0


def test_a_missing_output_folder_is_reported_in_one_line(journals: Path, tmp_path: Path) -> None:
    path = write(journals / "AJ_1.jsonl", healthy())
    result = run("plot", path, "-o", tmp_path / "no" / "a.svg", folder=journals)
    assert_one_line(result, ExitCode.FAILED, "cannot write")


@pytest.mark.parametrize("command", ["plot", "blame"])
def test_a_job_together_with_last_or_neither_is_refused(command: str, journals: Path) -> None:
    for arguments in ((), ("AJ_1", "--last", "3")):
        assert_one_line(run(command, *arguments, folder=journals), ExitCode.USAGE, "--last")
    for last in ("0", "-1", "10001"):
        refused = run(command, "--last", last, folder=journals)
        assert_one_line(refused, ExitCode.USAGE, "--last is a number from 1 to")
    assert run(command, "--last", "1", folder=journals).exit_code == ExitCode.NOT_FOUND
    assert run("plot", "--last", "1", "--whole", folder=journals).exit_code == ExitCode.USAGE


def test_a_missing_journal_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    result = run("plot", "--last", "5", folder=tmp_path / "none" / "journals")
    assert_one_line(result, ExitCode.NOT_FOUND, "has a start-up to show")


def test_a_job_in_its_first_state_can_be_plotted(journals: Path) -> None:
    whole = healthy()
    start = History(header=whole.header, transitions=whole.transitions[:1])
    path = write(journals / "AJ_1.jsonl", start)
    assert startup(start).target is None
    assert "Not RUNNING yet" in run("plot", path, folder=journals).output
