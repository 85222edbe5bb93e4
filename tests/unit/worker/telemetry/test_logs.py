"""Logs: machine-readable, with the job's ids, and without the candidate's words."""

from __future__ import annotations

import io
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from livekit.agents import APIError
from livekit.agents.ipc.log_queue import LogQueueHandler

from tests.support.virtual.job_parts import settings_in
from worker.telemetry.logs import configure_logs, redact_job_logs
from worker.telemetry.redaction import _PERSONAL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SPOKEN = "I worked with Ada on the payroll"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    """Restore the logging configuration after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {
        name: logging.getLogger(name).level
        for name in ("transitions", "asyncio", "filelock", "livekit", "livekit.agents")
    }
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.fixture
def configured(restored: None, tmp_path: Path) -> Callable[..., io.StringIO]:
    """Return a function that configures the logs to a stream and returns the stream."""

    def configure(stream: io.StringIO | None = None, **variables: Any) -> io.StringIO:
        stream = stream or io.StringIO()
        configure_logs(settings_in(tmp_path, **variables), stream=stream)
        return stream

    return configure


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# --- format -------------------------------------------------------------------------------------


def test_every_line_is_json_with_its_time_level_logger_and_fields(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured()
    logging.getLogger("worker.job").warning(
        "%s came\nlate", "vad", extra={"event": "vad_late", "elapsed_ms": 7.5}
    )
    structlog.get_logger("worker.store").info("migrated", version=3)
    first, second = lines(stream)
    assert (first["event"], first["message"]) == ("vad_late", "vad came\nlate")
    assert (first["level"], first["logger"], first["elapsed_ms"]) == ("warning", "worker.job", 7.5)
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["message"]) == ("worker.store", "migrated")
    assert second["version"] == 3


@pytest.mark.parametrize("event", [None, 7])
@pytest.mark.parametrize("name", ["livekit.agents", "asyncio", "aiohttp.server"])
def test_a_line_without_a_key_has_the_name_of_its_logger_as_event(
    configured: Callable[..., io.StringIO], name: str, event: object
) -> None:
    stream = configured()
    logging.getLogger(name).error("no connection", extra={} if event is None else {"event": event})
    (line,) = lines(stream)
    assert (line["event"], line["message"]) == (name, "no connection")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_console_shows_the_sentence_and_the_fields_but_not_the_key(
    configured: Callable[..., io.StringIO], terminal: bool
) -> None:
    stream = configured(Terminal() if terminal else None, INTERVIEW_LOG_FORMAT="console")
    fields = {"event": "vad_loaded", "elapsed_s": 0.75}
    logging.getLogger("worker").info("the VAD is loaded", extra=fields)
    logging.getLogger("livekit.agents").warning("no connection")
    text = stream.getvalue()
    for shown in ("the VAD is loaded", "elapsed_s", "0.75", "no connection"):
        assert shown in text
    for hidden in ("vad_loaded", "event", "message"):
        assert hidden not in text


def test_an_exception_is_a_field_of_its_log_line(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured()
    try:
        raise ValueError("no such state")
    except ValueError:
        logging.getLogger("worker").exception("the job's own code failed")
    (line,) = lines(stream)
    assert "ValueError: no such state" in line["exception"]


def test_values_that_are_not_json_are_still_written(configured: Callable[..., io.StringIO]) -> None:
    stream = configured()
    logging.getLogger("worker").info("odd", extra={"thing": object(), "bytes": b"\xff"})
    (line,) = lines(stream)
    assert line["message"] == "odd"


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("json", Terminal, True),
        ("console", io.StringIO, False),
    ],
)
def test_the_log_format_follows_the_setting_or_the_kind_of_stream(
    configured: Callable[..., io.StringIO],
    log_format: str,
    stream: type[io.StringIO],
    is_json: bool,
) -> None:
    written = configured(stream(), INTERVIEW_LOG_FORMAT=log_format)
    logging.getLogger("worker").info("ready", extra={"job_id": "AJ_1"})
    text = written.getvalue()
    assert "ready" in text
    assert "AJ_1" in text
    assert text.startswith("{") is is_json


def test_the_minimum_level_follows_the_setting(configured: Callable[..., io.StringIO]) -> None:
    stream = configured(INTERVIEW_LOG_LEVEL="WARNING")
    for name in ("worker", "livekit.agents"):
        logging.getLogger(name).info("unimportant")
        logging.getLogger(name).warning("important")
    assert [line["message"] for line in lines(stream)] == ["important", "important"]


def test_chatty_libraries_log_only_warnings_and_errors(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured(INTERVIEW_LOG_LEVEL="DEBUG")
    for name in ("transitions.core", "asyncio", "filelock", "livekit"):
        logging.getLogger(name).info("chatter")
    assert lines(stream) == []


# --- no personal data ---------------------------------------------------------------------------


def test_fields_that_the_framework_marks_as_personal_are_removed(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured()
    personal = {"lk.pii.transcript": SPOKEN, "lk.pii.": SPOKEN, "lk.room": "room-1"}
    logging.getLogger("livekit.agents").info("committed", extra=personal)
    (line,) = lines(stream)
    assert SPOKEN not in stream.getvalue()
    assert line["lk.room"] == "room-1"
    assert not [name for name in line if name.startswith("lk.pii.")]


@pytest.mark.parametrize("name", sorted(_PERSONAL_FIELDS))
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_fields_that_hold_spoken_words_are_removed(
    configured: Callable[..., io.StringIO], name: str, log_format: str
) -> None:
    stream = configured(INTERVIEW_LOG_FORMAT=log_format)
    logging.getLogger("livekit.agents").warning("a turn", extra={name: SPOKEN, "speech_id": "s1"})
    assert SPOKEN not in stream.getvalue()
    assert "s1" in stream.getvalue()


def test_debug_lines_of_the_framework_are_dropped(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured(INTERVIEW_LOG_LEVEL="DEBUG")
    logging.getLogger("livekit.plugins.x").debug("received %s", SPOKEN)
    logging.getLogger("livekit.agents").debug("received %s", SPOKEN)
    logging.getLogger("openai._base_client").debug("request options: %s", SPOKEN)
    logging.getLogger("worker.job").debug("loading")
    assert [line["message"] for line in lines(stream)] == ["loading"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_local_variables_of_an_exception_are_not_printed(
    configured: Callable[..., io.StringIO], log_format: str
) -> None:
    stream = configured(Terminal(), INTERVIEW_LOG_FORMAT=log_format)

    def answer(said: str) -> None:
        raise ValueError("no such state")

    try:
        answer(SPOKEN)
    except ValueError:
        logging.getLogger("worker").exception("the job's own code failed")
        structlog.get_logger("worker").exception("the same")
    assert SPOKEN not in stream.getvalue()
    assert stream.getvalue().count("ValueError: no such state") == 2


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_provider_errors_are_logged_without_spoken_words(
    configured: Callable[..., io.StringIO], log_format: str
) -> None:
    stream = configured(INTERVIEW_LOG_FORMAT=log_format)
    error = APIError(f"no audio frames were pushed for text: {SPOKEN}")
    framework = logging.getLogger("livekit.agents")
    framework.warning("failed to synthesize speech: %s, retrying", error, extra={"error": error})
    framework.error(f"closing due to unrecoverable error: {error}", extra={"error": str(error)})
    framework.error("not said", exc_info=error)
    logging.getLogger("worker.job").error("the session did not start", exc_info=error)
    logging.getLogger("asyncio").error("never retrieved\nfuture: <Task exception=%r>", error)
    text = stream.getvalue()
    assert SPOKEN not in text
    for kept in ("failed to synthesize speech: ", "APIError", "not said", "never retrieved"):
        assert kept in text


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_of_the_sdks_lines_only_the_place_in_the_code_is_kept(
    configured: Callable[..., io.StringIO], log_format: str, level: int
) -> None:
    stream = configured(INTERVIEW_LOG_FORMAT=log_format)
    for name in ("", "livekit"):
        sdk = logging.getLogger(name)
        sdk.log(level, "ignoring text stream with topic '%s', no callback attached", SPOKEN)
        sdk.log(level, f"{SPOKEN}: ignored")
        sdk.log(level, "%s:%s:%s - %s", "livekit::streams", 233, "streams", f"'{SPOKEN}' is open")
    text = stream.getvalue()
    assert SPOKEN not in text
    assert "topic" not in text
    assert "test_logs:" in text
    if level > logging.INFO:  # the SDK's own logger is limited to warnings
        assert "livekit::streams:233 (redacted)" in text


def test_an_error_that_the_sdk_logs_with_the_root_logger_keeps_only_its_type(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured()
    try:
        raise ValueError(SPOKEN)
    except ValueError:
        logging.getLogger().exception("error running user callback for %s", SPOKEN)
    (line,) = lines(stream)
    assert SPOKEN not in stream.getvalue()
    assert line["exception"].endswith("ValueError: (redacted)")


@pytest.mark.parametrize(
    ("logger", "line", "kept"),
    [
        ("livekit.agents", "Running <Handle put({text})> took too long", "Running (redacted)"),
        ("livekit.agents", "error in participant entrypoint for '{text}'", "error in participant"),
        ("asyncio", "Exception in callback Queue.put({text})\nhandle: <{text}>", "Queue.put"),
        ("asyncio", "Task exception was never retrieved\nfuture: <Task name='{text}'>", "never"),
    ],
)
def test_objects_that_libraries_print_are_removed(
    configured: Callable[..., io.StringIO], logger: str, line: str, kept: str
) -> None:
    stream = configured()
    logging.getLogger(logger).error(line.format(text=SPOKEN))
    (record,) = lines(stream)
    assert kept in record["message"]
    assert SPOKEN not in stream.getvalue()


def test_the_message_is_redacted_even_if_another_handler_has_formatted_the_record(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured()
    text = f"failed to synthesize speech: {SPOKEN}"
    record = logging.makeLogRecord({"name": "livekit.agents", "levelno": 40, "msg": text})
    logging.Formatter().format(record)  # sets `record.message`
    logging.getLogger("livekit.agents").handle(record)
    (line,) = lines(stream)
    assert line["message"] == "failed to synthesize speech: (redacted)"
    assert SPOKEN not in stream.getvalue()


# --- from a job's process to the main one -------------------------------------------------------


class Pipe:
    """The pipe between a job's process and the main one; holds what was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_bytes(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def arrived(restored: None) -> Iterator[Callable[[], list[logging.LogRecord]]]:
    """Yield a function that closes the framework's log handler and returns the records it sent."""
    pipe = Pipe()
    handler = LogQueueHandler(pipe)  # type: ignore[arg-type]  # as much of it as is used
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(logging.DEBUG)
    redact_job_logs()

    def close() -> list[logging.LogRecord]:
        handler.close()
        handler.thread.join()
        return [pickle.loads(data) for data in pipe.sent]  # noqa: S301  # our own, a moment ago

    yield close
    handler.close()
    handler.thread.join()


def test_no_personal_data_leaves_a_job_process(
    arrived: Callable[[], list[logging.LogRecord]],
) -> None:
    logger = logging.getLogger("livekit.agents")
    logger.info("a turn", extra={"user_input": SPOKEN, "lk.pii.x": SPOKEN, "job_id": "AJ_1"})
    logger.debug("received %s", SPOKEN)
    (record,) = arrived()
    assert SPOKEN not in repr(vars(record))
    assert vars(record)["job_id"] == "AJ_1"


def test_an_exception_arrives_as_a_field_and_without_spoken_words(
    arrived: Callable[[], list[logging.LogRecord]], configured: Callable[..., io.StringIO]
) -> None:
    error = APIError(f"no audio frames were pushed for text: {SPOKEN}")
    logging.getLogger("worker.job").error("the session did not start", exc_info=error)
    (record,) = arrived()
    assert SPOKEN not in repr(vars(record))

    stream = configured()
    logging.getLogger(record.name).callHandlers(record)
    (line,) = lines(stream)
    assert line["message"] == "the session did not start"
    assert line["exception"].endswith("APIError: (redacted)")


def test_a_log_line_of_a_job_arrives_once_with_its_ids_and_text(
    arrived: Callable[[], list[logging.LogRecord]], configured: Callable[..., io.StringIO]
) -> None:
    ids = {"job_id": "AJ_1", "room": "room-1", "interview_id": "iv-1"}
    fields = {"event": "init_done", "elapsed_ms": 512.5}
    logging.getLogger("worker.job").info("job %s started", "one", extra={**ids, **fields})
    (record,) = arrived()

    stream = configured()
    logging.getLogger(record.name).callHandlers(record)
    (line,) = lines(stream)
    assert line == {
        "event": "init_done",
        "message": "job one started",
        "level": "info",
        "logger": "worker.job",
        "timestamp": line["timestamp"],
        "elapsed_ms": 512.5,
        **ids,
    }
    assert stream.getvalue().count("job one started") == 1


def test_a_line_of_the_sdk_arrives_from_a_job_with_its_place_alone(
    arrived: Callable[[], list[logging.LogRecord]], configured: Callable[..., io.StringIO]
) -> None:
    native = ("livekit::streams", 233, "livekit::streams", f"Stream '{SPOKEN}' already open")
    logging.getLogger("livekit").error("%s:%s:%s - %s", *native)
    (record,) = arrived()
    assert SPOKEN not in repr(vars(record))

    stream = configured()
    logging.getLogger(record.name).callHandlers(record)
    (line,) = lines(stream)
    assert line["message"] == "livekit::streams:233 (redacted)"
