"""`interview-worker interviews`: what its commands print, and what they ask for."""

from __future__ import annotations

import asyncio
import errno
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.interview_commands import INTERVIEW, no_database, typed
from worker.cli import interviews
from worker.cli.common import ExitCode
from worker.interview.plan.plan import SAMPLE_PLAN
from worker.livekit_api.client import LiveKitClient
from worker.operations import creation
from worker.operations import interviews as operations
from worker.operations.creation import NewInterview
from worker.operations.errors import NothingToCancel
from worker.store.errors import DatabaseUnavailable
from worker.store.interviews import InterviewErased, InterviewExists, RoomInUse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def livekit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Configure a LiveKit server, and open no database."""

    async def as_data(_: object, interview_id: str) -> dict[str, Any]:
        return {"interview_id": interview_id, "room": "interview-one"}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "secret" * 6)
    monkeypatch.setattr(interviews, "database", no_database)
    monkeypatch.setattr(operations, "interview_as_data", as_data)


# --- create ---------------------------------------------------------------------------------------


def test_an_interview_without_an_interviewer_is_printed_with_both_next_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def create(_: object, __: object, wanted: NewInterview) -> Any:
        assert wanted.candidate_name == "Ada"
        return INTERVIEW

    monkeypatch.setattr(creation, "create", create)
    done = typed("create", "--candidate", "Ada")
    assert (done.exit_code, done.stderr) == (ExitCode.OK, "")
    assert done.stdout.splitlines() == [
        "interview one in room interview-one",
        "  token: interview-worker interviews token one",
        "  interviewer: interview-worker interviews dispatch one",
    ]


def test_a_dispatch_at_creation_warns_of_the_time_that_the_interviewer_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def create_and_dispatch(*_: object, **__: object) -> Any:
        return INTERVIEW, operations.Sent(dispatch_id="AD_1", carries_plan=True)

    monkeypatch.setattr(creation, "create_and_dispatch", create_and_dispatch)
    monkeypatch.setenv("INTERVIEW_CANDIDATE_JOIN_S", "120")
    done = typed("create", "--candidate", "Ada", "--dispatch")
    assert done.exit_code == ExitCode.OK
    (line,) = done.stderr.splitlines()
    assert "waits 120 s for the candidate" in line
    assert "INTERVIEW_CANDIDATE_JOIN_S" in line
    assert "a candidate who comes later" in line
    assert len(done.stdout.splitlines()) == 2


def test_the_window_of_an_interview_reaches_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[tuple[object, object]] = []

    async def create(_: object, __: object, wanted: NewInterview) -> Any:
        windows.append((wanted.opens_at, wanted.closes_at))
        return INTERVIEW

    monkeypatch.setattr(creation, "create", create)
    year = datetime.now(UTC).year + 1
    done = typed(
        *("create", "--candidate", "Ada"),
        *("--from", f"{year}-03-01T09:30+02:00", "--until", f"{year}-03-01T18:00Z"),
    )
    assert done.exit_code == ExitCode.OK, done.stderr
    assert typed("create", "--candidate", "Ada").exit_code == ExitCode.OK
    opens, closes = datetime(year, 3, 1, 7, 30, tzinfo=UTC), datetime(year, 3, 1, 18, tzinfo=UTC)
    assert windows == [(opens, closes), (None, None)]


def test_the_id_and_the_identity_of_the_caller_reach_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[object, object]] = []

    async def create(_: object, __: object, wanted: NewInterview) -> Any:
        asked.append((wanted.interview_id, wanted.candidate_identity))
        return INTERVIEW

    monkeypatch.setattr(creation, "create", create)
    done = typed("create", "--candidate", "Ada", "--id", "talk-17", "--identity", "ada@example.org")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert typed("create", "--candidate", "Ada").exit_code == ExitCode.OK
    assert asked == [("talk-17", "ada@example.org"), (None, None)]


def test_an_impossible_id_and_identity_are_reported_before_anything_is_created() -> None:
    done = typed("create", "--candidate", "Ada", "--id", "a b", "--identity", " ")
    assert done.exit_code == ExitCode.USAGE
    identity, interview_id = done.stderr.splitlines()
    assert "--identity must be" in identity
    assert "the interview id 'a b' must be" in interview_id


def test_a_repeated_creation_that_sends_nobody_warns_of_no_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def create_and_dispatch(*_: object, **__: object) -> Any:
        return INTERVIEW, None

    monkeypatch.setattr(creation, "create_and_dispatch", create_and_dispatch)
    done = typed("create", "--candidate", "Ada", "--id", "one", "--dispatch")
    assert (done.exit_code, done.stderr) == (ExitCode.OK, "")
    assert done.stdout.splitlines()[0] == "interview one in room interview-one"


def test_an_impossible_window_is_reported_beside_other_problems_before_anything_is_created() -> (
    None
):
    done = typed("create", "--candidate", " ", "--from", "2999-03-01")
    assert done.exit_code == ExitCode.USAGE
    name, opens = done.stderr.splitlines()
    assert "--candidate must be" in name
    assert opens.startswith("interview-worker: --from must be a time with an offset")


@pytest.mark.parametrize(
    "error", [InterviewExists("one"), InterviewErased("one"), RoomInUse("one", "lobby")]
)
def test_a_room_or_an_id_that_is_in_use_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(creation, "create", create)
    done = typed("create", "--candidate", "Ada", "--room", "lobby")
    assert done.exit_code == ExitCode.TAKEN
    assert done.stderr.splitlines() == [f"interview-worker: {error}"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_interview_that_cannot_be_printed_is_named_on_standard_error(
    form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create(*_: object, **__: object) -> Any:
        return INTERVIEW

    def full(text: str, *, err: bool = False) -> None:
        if not err:
            raise OSError(errno.ENOSPC, "No space left on device")
        lines.append(text)

    lines: list[str] = []
    monkeypatch.setattr(creation, "create", create)
    monkeypatch.setattr("typer.echo", full)
    done = typed("create", "--candidate", "Ada", *form)
    assert done.exit_code == ExitCode.FAILED
    (line,) = lines
    assert "interview one in room interview-one was created" in line
    assert line.endswith("No space left on device")


def test_an_interview_that_cannot_be_read_back_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def create(*_: object, **__: object) -> Any:
        return INTERVIEW

    async def unavailable(*_: object) -> Any:
        raise DatabaseUnavailable("get_interview", OSError(), "postgresql://db")

    monkeypatch.setattr(creation, "create", create)
    monkeypatch.setattr(operations, "interview_as_data", unavailable)
    done = typed("create", "--candidate", "Ada")
    assert done.exit_code == ExitCode.UNAVAILABLE
    (line,) = done.stderr.splitlines()
    assert "interview one in room interview-one was created" in line


async def test_an_interrupt_after_an_interview_was_stored_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def create_and_dispatch(*_: object, on_stored: Any, **__: object) -> Any:
        on_stored(INTERVIEW)
        raise asyncio.CancelledError  # Ctrl-C, as the tasks of asyncio.run see it

    monkeypatch.setattr(creation, "create_and_dispatch", create_and_dispatch)
    with pytest.raises(asyncio.CancelledError):
        await interviews._create("Ada", SAMPLE_PLAN, None, send=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert "interrupted: interview one may be stored" in line


def test_the_help_shows_no_path_inside_the_package() -> None:
    assert "sample_plan.yaml" not in typed("create", "--help").stdout


# --- cancel ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_cancelled_interview_is_printed(
    form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancel(_: object, interview_id: str) -> dict[str, Any]:
        return {"interview_id": interview_id, "outcome": "cancelled"}

    monkeypatch.setattr(operations, "cancel", cancel)
    done = typed("cancel", "one", *form)
    assert (done.exit_code, done.stderr) == (ExitCode.OK, "")
    if form:
        assert json.loads(done.stdout) == {"interview_id": "one", "outcome": "cancelled"}
    else:
        assert done.stdout == "interview one is cancelled\n"


def test_an_interview_that_is_over_cannot_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancel(*_: object) -> dict[str, Any]:
        raise NothingToCancel("one", "completed", "InterviewCompleted")

    monkeypatch.setattr(operations, "cancel", cancel)
    done = typed("cancel", "one")
    assert done.exit_code == ExitCode.FAILED
    (line,) = done.stderr.splitlines()
    assert line.endswith("one is over (completed, InterviewCompleted): there is nothing to cancel")


# --- token ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("secret", "notes"), [("8 bytes!", 1), ("s" * 32, 0)])
def test_a_short_secret_is_a_sentence_and_no_python_warning(
    secret: str, notes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def candidate_token(_: object, settings: Any, interview_id: str) -> dict[str, str]:
        livekit = LiveKitClient.of(settings)
        token = livekit.candidate_token(room="interview-one", identity=interview_id)
        return {"url": livekit.url, "token": token}

    monkeypatch.setattr(operations, "candidate_token", candidate_token)
    monkeypatch.setenv("LIVEKIT_API_SECRET", secret)
    done = typed("token", "one")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert len(done.stdout.splitlines()) == 1
    lines = done.stderr.splitlines()
    assert len(lines) == notes
    assert all(line.startswith("interview-worker: LIVEKIT_API_SECRET has fewer") for line in lines)
    assert secret not in done.output
