"""Log lines of two real processes on one stream: every line arrives as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import pytest

from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Lines of each process.
LINES: Final = 150
#: Longer than the buffer of a Python stream (8 KiB) and than an atomic write to a pipe (4 KiB).
LENGTH: Final = 20_000
#: Generous: a process imports the worker's logs on a busy machine.
ENDS_WITHIN_S: Final = 60.0

#: Logs long lines as the worker does, as soon as a line comes on standard input.
WRITER: Final = f"""
import logging, sys
from worker.config.settings import Settings
from worker.telemetry.logs import configure_logs

configure_logs(Settings.load(_env_file=None, INTERVIEW_LOG_FORMAT="json"))
print("ready", flush=True)
sys.stdin.readline()
for n in range({LINES}):
    logging.getLogger("worker").warning(
        "a long line", extra={{"event": "long_line", "writer": sys.argv[1], "n": n,
                               "padding": sys.argv[1] * {LENGTH}}}
    )
"""


@contextlib.contextmanager
def writers(stream: int | IO[bytes]) -> Iterator[None]:
    """Run two processes that write to the same stream at the same time, until both have ended."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            cwd=REPOSITORY,
            text=True,
        )
        for name in "ab"
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield
        for process in processes:
            assert process.wait(ENDS_WITHIN_S) == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def parsed(data: bytes) -> list[dict[str, Any]]:
    """Return the lines; assert that each is complete, and that none is missing."""
    lines = [json.loads(line) for line in data.splitlines()]
    for name in "ab":
        assert [line["n"] for line in lines if line["writer"] == name] == list(range(LINES))
    return lines


@pytest.mark.timeout(120)
def test_long_lines_of_two_processes_to_one_pipe_are_short_enough_to_arrive_whole() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, writers(writer):
        os.close(writer)
        data = stream.read()
    lines = parsed(data)
    assert {tuple(line["cut_fields"]) for line in lines} == {("padding",)}
    assert max(len(line) for line in data.splitlines()) < 4096


@pytest.mark.timeout(120)
def test_long_lines_of_two_processes_to_one_file_arrive_whole_and_uncut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as stream, writers(stream):
        pass
    for line in parsed(path.read_bytes()):
        assert line["padding"] == line["writer"] * LENGTH
