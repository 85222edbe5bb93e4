"""Behaviour common to all commands: one line for an error, and a meaningful exit code."""

from __future__ import annotations

import importlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from states import JournalError
from tests.support.virtual.job_parts import settings_in
from worker.cli import stored_interviews
from worker.cli.app import app
from worker.cli.common import (
    CommandError,
    ExitCode,
    one_line_errors,
    print_json,
    run,
    write_out,
)
from worker.cli.databases import database_url
from worker.cli.errors import CODES as PLACES
from worker.cli.errors import code_of
from worker.env.group import SettingsInvalid
from worker.interview.plan.plan import PlanError
from worker.interview.plan.validation import PlanProblem
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import LiveKitError, LiveKitKeyRefused, LiveKitUrlInvalid
from worker.operations.errors import (
    InterviewerPresent,
    InterviewNotCreated,
    InterviewNotFound,
    InterviewOver,
    JobNotFound,
    LiveKitNotConfigured,
)
from worker.operations.interviews import livekit_client
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.embedded.layout import EmbeddedPostgresError
from worker.store.errors import DatabaseOperationFailed, DatabaseUnavailable
from worker.store.interviews import InterviewExists, InterviewIdInvalid
from worker.store.schema import MigrationChanged, SchemaTooNew
from worker.store.url import DatabaseUrlInvalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


LIVEKIT = {
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "secret",
}


def error_of(kind: type[Exception]) -> Exception:
    """Return an error of this class, bypassing its constructor: only class and text matter here."""
    plain = {"__init__": lambda _: None, "__str__": lambda _: "what went wrong"}
    error: Exception = type(kind.__name__, (kind,), plain)()
    return error


CODES = [
    (SettingsInvalid, ExitCode.USAGE),
    (PlanError, ExitCode.USAGE),
    (InterviewIdInvalid, ExitCode.USAGE),
    (DatabaseUrlInvalid, ExitCode.USAGE),
    (LiveKitUrlInvalid, ExitCode.USAGE),
    (InterviewExists, ExitCode.TAKEN),
    (LiveKitKeyRefused, ExitCode.LIVEKIT_REFUSED),
    (LiveKitError, ExitCode.UNAVAILABLE),
    (DatabaseUnavailable, ExitCode.UNAVAILABLE),
    (DatabaseOperationFailed, ExitCode.FAILED),
    (EmbeddedPostgresError, ExitCode.FAILED),
    (SchemaTooNew, ExitCode.FAILED),
    (MigrationChanged, ExitCode.FAILED),
    (JournalError, ExitCode.FAILED),
    (LiveKitNotConfigured, ExitCode.USAGE),
    (InterviewNotFound, ExitCode.NOT_FOUND),
    (JobNotFound, ExitCode.NOT_FOUND),
    (InterviewerPresent, ExitCode.TAKEN),
    (InterviewOver, ExitCode.FAILED),
]


@pytest.mark.parametrize("place", PLACES)
def test_every_place_of_an_error_class_exists(place: str) -> None:
    module, _, name = place.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    assert issubclass(kind, Exception)
    assert f"{kind.__module__}.{kind.__qualname__}" == place


@pytest.mark.parametrize(("kind", "code"), CODES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_project_error_prints_one_line_and_sets_the_exit_code(
    kind: type[Exception], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left, one_line_errors():
        raise error_of(kind)
    assert left.value.exit_code == code
    assert capsys.readouterr().err == "interview-worker: what went wrong\n"


def test_a_failed_creation_has_the_exit_code_of_its_cause() -> None:
    cause = LiveKitKeyRefused("ws://x")
    error = InterviewNotCreated(cause)
    assert code_of(error) is ExitCode.LIVEKIT_REFUSED
    assert str(error) == f"{cause}; no interview was created"


def test_a_command_error_has_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, one_line_errors():
        raise CommandError("there is no job AJ_1", ExitCode.NOT_FOUND)
    assert left.value.exit_code == ExitCode.NOT_FOUND
    assert capsys.readouterr().err == "interview-worker: there is no job AJ_1\n"


def test_an_interrupt_prints_nothing_and_sets_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as left, one_line_errors():
        raise KeyboardInterrupt
    assert left.value.exit_code == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_opened_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = "x" * 300
    with pytest.raises(typer.Exit) as left, one_line_errors():
        (tmp_path / name).read_bytes()
    assert left.value.exit_code == ExitCode.FAILED
    assert capsys.readouterr().err == f"interview-worker: {tmp_path / name}: File name too long\n"


def test_a_reader_that_has_gone_is_left_to_typer() -> None:
    with pytest.raises(BrokenPipeError), one_line_errors():
        raise BrokenPipeError


def test_an_unexpected_error_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), one_line_errors():
        _ = 1 / 0


def test_the_exit_codes_keep_their_numbers() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "LIVEKIT_REFUSED": 4,
        "UNAVAILABLE": 5,
        "TAKEN": 6,
        "INTERRUPTED": 130,
    }


def test_run_returns_the_result_of_the_coroutine() -> None:
    async def work() -> int:
        return 7

    assert run(work()) == 7


def test_an_error_in_a_commands_coroutine_prints_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work() -> None:
        raise PlanError("plan.yaml", (PlanProblem(line=3, message="title is missing"),))

    with pytest.raises(typer.Exit) as left:
        run(work())
    assert left.value.exit_code == ExitCode.USAGE
    assert capsys.readouterr().err == "interview-worker: plan.yaml:3: title is missing\n"


def test_json_output_has_iso_times_and_unescaped_text(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Thing:
        def __str__(self) -> str:
            return "a thing"

    print_json({"at": datetime(2026, 3, 1, tzinfo=UTC), "thing": Thing(), "name": "Zoë"})
    out = capsys.readouterr().out
    assert json.loads(out) == {
        "at": "2026-03-01T00:00:00+00:00",
        "thing": "a thing",
        "name": "Zoë",
    }
    assert "Zoë" in out


def test_half_a_surrogate_pair_is_printed_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"job_id": "\ud800", "name": "Zoë"})
    out = capsys.readouterr().out
    assert r'"\ud800"' in out
    assert json.loads(out) == {"job_id": "\ud800", "name": "Zoë"}


def test_json_for_a_closed_standard_output_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    print_json({"name": "Zoë"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET are not set"),
        ({"LIVEKIT_URL": "ws://x", "LIVEKIT_API_KEY": "k"}, "LIVEKIT_API_SECRET is not set"),
    ],
)
def test_missing_livekit_settings_are_named(
    tmp_path: Path, given: dict[str, str], said: str
) -> None:
    nothing = {"LIVEKIT_URL": "", "LIVEKIT_API_KEY": "", "LIVEKIT_API_SECRET": ""}
    with pytest.raises(LiveKitNotConfigured, match=said):
        livekit_client(settings_in(tmp_path, **{**nothing, **given}))


def test_complete_livekit_settings_are_returned(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path, LIVEKIT_URL="ws://x", LIVEKIT_API_KEY="k", LIVEKIT_API_SECRET="s"
    )
    assert livekit_client(settings) == LiveKitClient("ws://x", "k", "s")


async def test_without_any_database_a_command_says_how_to_get_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, DATABASE_URL="", INTERVIEW_EMBEDDED=False)
    with pytest.raises(CommandError, match="INTERVIEW_EMBEDDED=1") as refused:
        async with database_url(settings, embedded=False):
            pass
    assert refused.value.code is ExitCode.USAGE


async def test_a_configured_database_is_used_without_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path, DATABASE_URL="postgresql://db/x", INTERVIEW_EMBEDDED=False)
    async with database_url(settings) as url:
        assert url == "postgresql://db/x?sslmode=verify-full"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("asked_for", [False, True])
async def test_an_unrequested_embedded_database_is_named_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked_for: bool,
) -> None:
    @asynccontextmanager
    async def running() -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(url="postgresql://embedded")

    async def start(data_dir: Path) -> AbstractAsyncContextManager[SimpleNamespace]:
        return running()

    monkeypatch.setattr(EmbeddedPostgres, "start", start)
    settings = settings_in(tmp_path, DATABASE_URL="", INTERVIEW_EMBEDDED=asked_for)
    async with database_url(settings) as url:
        assert url == "postgresql://embedded"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == (0 if asked_for else 1)
    for word in (str(settings.data_dir), "DATABASE_URL", "INTERVIEW_EMBEDDED=1"):
        assert all(word in line for line in said)


def test_output_goes_to_a_file_or_to_standard_output(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write_out("Zoë".encode(), tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "Zoë"
    write_out("Zoë".encode(), None)
    assert capfdbinary.readouterr().out == "Zoë".encode()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot write .*: Is a directory"):
        write_out(b"", tmp_path)


async def shown_interview(_: str) -> dict[str, Any]:
    about = dict.fromkeys(("interview_id", "room", "status", "outcome", "reason"), "x")
    return {**about, "jobs": [], "turns": []}


@pytest.mark.parametrize("command", [("interviews", "export", "one"), ("diagram",)])
def test_a_command_whose_output_cannot_be_written_ends_with_one_line(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_interviews, "_show", shown_interview)
    done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "none" / "out")])
    assert done.exit_code == ExitCode.FAILED
    (line,) = done.stderr.splitlines()
    assert line.endswith("No such file or directory")


@pytest.mark.parametrize(
    "command",
    [("interviews", "create", "--candidate", "Ada"), ("interviews", "dispatch", "one")],
)
def test_every_command_reports_an_invalid_setting_in_one_line(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LIVEKIT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INTERVIEW_SLOTS", "many")
    done = CliRunner().invoke(app, command)
    assert done.exit_code == ExitCode.USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("interview-worker: INTERVIEW_SLOTS")
