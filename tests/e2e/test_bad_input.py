"""Invalid settings and input: one line that says what to do, and a meaningful exit code."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.folders import new_folder
from tests.support.live.running_worker import command, left_behind
from tests.support.live.waiting import eventually
from worker.cli.common import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.simulation.livekit_server import LiveKitServer

pytestmark = pytest.mark.timeout(200)

START = ("start",)
CREATE = ("interviews", "create", "--candidate", "Ada")
KEYS = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret" * 6}
#: A LiveKit server at which nothing answers, with a key: without it, commands name it as missing.
LIVEKIT = {**KEYS, "LIVEKIT_URL": "ws://127.0.0.1:1"}

PLAN_WITH_A_MISTAKE = """\
title: Talk
opening: Hello.
questions:
  - id: first
    text: How are you?
    thinking_pause_s: soon
closing: Goodbye.
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder outside pytest's own, which the user of root's PostgreSQL cannot enter."""
    made = new_folder("interview-bad-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def run(
    folder: Path, arguments: tuple[str, ...], settings: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command so that standard error holds only the command's own error."""
    ours = {
        "INTERVIEW_DATA_DIR": str(folder / "data"),
        "INTERVIEW_EMBEDDED": "1",
        "INTERVIEW_HTTP_PORT": "0",
        "INTERVIEW_LIVEKIT_START_BUDGET_S": "1",
        "INTERVIEW_LOG_LEVEL": "ERROR",
    }
    return command(*arguments, settings={**ours, **settings}, cwd=folder)


async def refused(
    folder: Path, arguments: tuple[str, ...], settings: dict[str, str], code: ExitCode
) -> str:
    """Assert that the command prints one line, exits with `code` and leaves no process.

    Return the line without its prefix.
    """
    done = run(folder, arguments, settings)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("interview-worker: ")
    await eventually(lambda: not left_behind(folder), "the end of every process")
    return line.removeprefix("interview-worker: ")


# --- settings -------------------------------------------------------------------------------------


async def test_missing_settings_are_named(folder: Path) -> None:
    line = await refused(folder, START, {}, ExitCode.USAGE)
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        assert name in line


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("INTERVIEW_STT", "local,deepgramm", "'deepgramm' is not known; known are "),
        ("INTERVIEW_TTS", "", "known are "),
        ("INTERVIEW_SLOTS", "many", "whole number"),
        ("INTERVIEW_CANDIDATE_JOIN_S", "-1", "more than 0"),
        ("INTERVIEW_LOG_LEVEL", "LOUD", "DEBUG"),
    ],
)
async def test_an_invalid_setting_is_named_with_the_valid_values(
    folder: Path, variable: str, value: str, says: str
) -> None:
    line = await refused(folder, START, {**LIVEKIT, variable: value}, ExitCode.USAGE)
    assert line.startswith(f"{variable}: ")
    assert says in line


async def test_every_mistake_in_the_settings_has_its_own_line(folder: Path) -> None:
    settings = {**LIVEKIT, "INTERVIEW_SLOTS": "0", "INTERVIEW_LLM": "nobody"}
    done = run(folder, START, settings)
    assert done.returncode == ExitCode.USAGE
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


async def test_everything_that_is_missing_is_named_at_once(folder: Path, taken_port: int) -> None:
    settings = {
        "INTERVIEW_EMBEDDED": "0",
        "INTERVIEW_HTTP_PORT": str(taken_port),
        "INTERVIEW_SLOTS": "many",
    }
    done = run(folder, START, settings)
    assert done.returncode == ExitCode.USAGE
    lines = [line.removeprefix("interview-worker: ") for line in done.stderr.splitlines()]
    assert [line.split(maxsplit=1)[0] for line in lines] == [
        "INTERVIEW_SLOTS:",
        "LIVEKIT_URL,",
        "no",
        f"127.0.0.1:{taken_port}",
    ]


@pytest.mark.row("C5")
async def test_start_without_a_database_says_how_to_get_one(folder: Path) -> None:
    settings = {**LIVEKIT, "INTERVIEW_EMBEDDED": "0"}
    line = await refused(folder, START, settings, ExitCode.USAGE)
    assert "DATABASE_URL" in line
    assert "INTERVIEW_EMBEDDED=1" in line


async def test_an_invalid_livekit_url_is_refused(folder: Path) -> None:
    settings = {**KEYS, "LIVEKIT_URL": "not a url"}
    await refused(folder, START, settings, ExitCode.USAGE)


async def test_an_invalid_database_url_is_refused_and_its_password_not_shown(
    folder: Path,
) -> None:
    settings = {"DATABASE_URL": "mysql://me:hunter2@127.0.0.1/x"}
    line = await refused(folder, ("interviews", "list"), settings, ExitCode.USAGE)
    assert "hunter2" not in line


# --- external services ----------------------------------------------------------------------------


async def test_an_unreachable_livekit_server_is_waited_for_and_then_named(folder: Path) -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    line = await refused(folder, START, {**KEYS, "LIVEKIT_URL": url}, ExitCode.UNAVAILABLE)
    assert url.removeprefix("ws://") in line


async def test_an_unavailable_database_is_named(folder: Path) -> None:
    settings = {"DATABASE_URL": f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"}
    line = await refused(folder, ("interviews", "list"), settings, ExitCode.UNAVAILABLE)
    assert "hunter2" not in line


@pytest.mark.parametrize("arguments", [START, CREATE], ids=["start", "interviews create"])
async def test_a_refused_livekit_key_has_its_own_exit_code(
    folder: Path, livekit_server: LiveKitServer, arguments: tuple[str, ...]
) -> None:
    settings = {**KEYS, "LIVEKIT_URL": livekit_server.url}
    line = await refused(folder, arguments, settings, ExitCode.LIVEKIT_REFUSED)
    assert KEYS["LIVEKIT_API_SECRET"] not in line


async def test_a_taken_port_is_named_with_the_setting_that_changes_it(
    folder: Path, livekit_server: LiveKitServer, taken_port: int
) -> None:
    settings = {
        "LIVEKIT_URL": livekit_server.url,
        "LIVEKIT_API_KEY": livekit_server.api_key,
        "LIVEKIT_API_SECRET": livekit_server.api_secret,
        "INTERVIEW_HTTP_PORT": str(taken_port),
    }
    line = await refused(folder, START, settings, ExitCode.TAKEN)
    assert f"127.0.0.1:{taken_port}" in line
    assert "INTERVIEW_HTTP_PORT" in line


async def test_a_data_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    # A path below a file fails regardless of permissions, so root is refused as well.
    file = folder / "file"
    file.touch()
    settings = {**LIVEKIT, "INTERVIEW_DATA_DIR": f"{file}/data"}
    line = await refused(folder, START, settings, ExitCode.TAKEN)
    assert str(file) in line
    assert "INTERVIEW_DATA_DIR" in line


# --- command arguments ----------------------------------------------------------------------------


async def test_a_plan_with_a_mistake_is_named_with_its_line(folder: Path) -> None:
    plan = folder / "plan.yaml"
    plan.write_text(PLAN_WITH_A_MISTAKE)
    line = await refused(folder, (*CREATE, "--plan", str(plan)), LIVEKIT, ExitCode.USAGE)
    assert line.startswith(f"{plan}:6: ")
    assert "thinking_pause_s" in line


async def test_a_missing_plan_is_named(folder: Path) -> None:
    done = run(folder, (*CREATE, "--plan", str(folder / "none.yaml")), {})
    assert done.returncode == ExitCode.USAGE
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("interviews", "show", "nobody"),
        ("interviews", "export", "nobody"),
        ("jobs", "show", "nobody"),
        ("diagram", "--job", "nobody"),
    ],
    ids=" ".join,
)
async def test_an_unknown_id_is_reported_as_not_found(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    line = await refused(folder, arguments, {}, ExitCode.NOT_FOUND)
    assert "'nobody'" in line


async def test_a_job_id_that_leads_out_of_the_folder_is_refused(folder: Path) -> None:
    await refused(folder, ("jobs", "show", "../../etc/passwd"), {}, ExitCode.FAILED)
