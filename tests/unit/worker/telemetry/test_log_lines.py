"""Log lines that are written at once, and JSON lines that are short enough for a pipe."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.telemetry.log_lines import ATOMIC, JsonLine, LineHandler, line_handler, longest_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = {"event": "a_key", "level": "error", "logger": "worker", "timestamp": "2026-11-02T10:00Z"}


def rendered(longest: int | None = ATOMIC, **fields: Any) -> dict[str, Any]:
    """Return a line as a reader parses it; assert that it is short enough."""
    text = JsonLine(longest)(None, "", {**NAMES, **fields})
    assert longest is None or len(text.encode()) + 1 <= longest
    line: dict[str, Any] = json.loads(text)
    return line


# --- the length of a line -------------------------------------------------------------------------


def test_a_short_line_stays_as_it_is() -> None:
    assert rendered(message="ready", n=7) == {**NAMES, "message": "ready", "n": 7}


def test_a_line_of_exactly_the_limit_stays_as_it_is() -> None:
    room = ATOMIC - 1 - len(json.dumps({**NAMES, "message": ""}))
    assert "cut_fields" not in rendered(message="x" * room)
    assert rendered(message="x" * (room + 1))["cut_fields"] == ["message"]


def test_a_line_to_a_file_has_any_length() -> None:
    assert rendered(None, message="x" * 100_000)["message"] == "x" * 100_000


def test_of_a_long_message_the_beginning_is_kept_and_the_cut_is_named() -> None:
    line = rendered(message="why " + "x" * 20_000, job_id="AJ_1")
    assert line["message"].startswith("why xxx")
    assert line["message"].endswith("x...")
    assert len(line["message"]) > 3_500
    assert (line["job_id"], line["cut_fields"]) == ("AJ_1", ["message"])
    assert {name: line[name] for name in NAMES} == NAMES


def test_of_a_long_traceback_the_end_is_kept() -> None:
    trace = "Traceback:\n" + '  File "x.py", line 1\n' * 500 + "ValueError: no such state"
    line = rendered(message="the job's own code failed", exception=trace)
    assert line["message"] == "the job's own code failed"
    assert line["exception"].startswith("...")
    assert line["exception"].endswith("ValueError: no such state")
    assert line["cut_fields"] == ["exception"]


def test_several_long_fields_are_all_cut() -> None:
    line = rendered(message="m" * 9_000, exception="e" * 9_000, data={"a": ["d" * 9_000]})
    assert set(line["cut_fields"]) == {"message", "exception", "data"}


def test_a_line_of_very_many_fields_keeps_its_names() -> None:
    line = rendered(**{f"field_{n}": n for n in range(5_000)})
    assert {name: line[name] for name in NAMES} == NAMES
    assert line["cut_fields"] == ["all others"]


@given(
    st.dictionaries(
        st.text(max_size=20), st.text(max_size=200) | st.lists(st.text(max_size=50)), max_size=12
    )
)
def test_a_line_of_any_content_is_short_enough_and_json(fields: dict[str, Any]) -> None:
    text = JsonLine(500)(None, "", {**fields, **NAMES})
    assert len(text.encode()) < 500
    assert json.loads(text)["event"] == "a_key"


# --- where a line goes ----------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[io.TextIOWrapper]:
    reader, writer = os.pipe()
    with open(writer, "w") as stream:
        yield stream
    os.close(reader)


def test_a_line_to_a_pipe_or_a_socket_is_limited(pipe: io.TextIOWrapper) -> None:
    assert longest_line(pipe) == ATOMIC
    left, right = socket.socketpair()
    with left, right, open(left.fileno(), "w", closefd=False) as stream:
        assert longest_line(stream) == ATOMIC


def test_a_line_to_a_file_or_to_memory_is_not_limited(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert longest_line(stream) is None
    assert longest_line(stream) is None  # closed
    assert longest_line(io.StringIO()) is None


def log_to(handler: logging.Handler, message: str) -> None:
    handler.handle(logging.makeLogRecord({"name": "worker", "levelno": 30, "msg": message}))


def test_a_long_line_is_written_with_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = os.write

    def counted(descriptor: int, data: memoryview) -> int:
        written.append(len(data))
        return write(descriptor, data)

    monkeypatch.setattr("worker.telemetry.log_lines.os.write", counted)
    with (tmp_path / "log").open("w") as stream:
        log_to(line_handler(stream), "x" * 100_000)
    assert written == [100_001]
    assert (tmp_path / "log").read_text() == "x" * 100_000 + "\n"


def test_the_rest_of_a_line_that_was_written_in_part_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr("worker.telemetry.log_lines.os.write", lambda fd, data: write(fd, data[:7]))
    with (tmp_path / "log").open("w") as stream:
        log_to(line_handler(stream), "x" * 100)
    assert (tmp_path / "log").read_text() == "x" * 100 + "\n"


def test_characters_that_the_stream_cannot_express_are_escaped(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="ascii") as stream:
        log_to(line_handler(stream), "Ünterview")
    assert (tmp_path / "log").read_bytes() == b"\\xdcnterview\n"


def test_a_stream_in_memory_gets_its_lines_as_before() -> None:
    stream = io.StringIO()
    log_to(line_handler(stream), "ready")
    assert stream.getvalue() == "ready\n"


def test_a_line_that_cannot_be_written_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with (tmp_path / "log").open("w") as stream:
        handler = LineHandler(stream.fileno())
    log_to(handler, "too late")
